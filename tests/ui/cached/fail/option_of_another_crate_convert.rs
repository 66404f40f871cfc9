use larder::cached;

#[cached(convert = "{}")]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

use larder::cached;

#[cached(key = 42)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

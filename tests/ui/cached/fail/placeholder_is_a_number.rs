use larder::cached;

#[cached(key = "user:<0>")]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

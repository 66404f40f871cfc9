use larder::cached;

#[cached(key = "user:<id>")]
async fn get_user(_db: &str, id: u64) -> u64 {
    id
}

fn main() {}

use larder::cached;

#[cached(key = "user:<id>")]
async fn get_user(db: &str, id: u64, page: u64) -> u64 {
    let _ = db;
    id + page
}

fn main() {}

use larder::cached;

#[cached(key = "user:<id>", skip)]
async fn get_user(db: &str, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}

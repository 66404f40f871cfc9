use larder::cached;

#[cached(key = "user:<id>", ttl = 0, version = "1")]
fn get_user(db: &str, id: u64) -> u64 {
    let _ = db;
    id
}

fn main() {}

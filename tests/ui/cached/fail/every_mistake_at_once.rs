use larder::cached;

#[cached(key = "user:{id}:<pagee>-<id>:*", ttl = "soon", sikp(db), local = true, local)]
async fn get_user(db: &str, id: u64, page: u64) -> u64 {
    let _ = db;
    id + page
}

fn main() {}

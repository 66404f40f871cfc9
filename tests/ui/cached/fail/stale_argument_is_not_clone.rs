use larder::cached;

struct Pool;

#[cached(key = "user:<id>", skip(pool), ttl = 60, stale = "1h")]
async fn get_user(pool: &Pool, id: u64) -> u64 {
    let _ = pool;
    id
}

fn main() {}

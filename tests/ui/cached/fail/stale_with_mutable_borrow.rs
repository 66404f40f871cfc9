use larder::cached;

#[cached(key = "user:<id>", ttl = 60, stale = 60, skip(conn))]
async fn get_user(conn: &mut Vec<u64>, id: u64) -> u64 {
    conn.push(id);
    id
}

fn main() {}

use larder::cache_put;

#[cache_put(key = "user:<result>")]
async fn save(result: u64) -> u64 {
    result
}

fn main() {}

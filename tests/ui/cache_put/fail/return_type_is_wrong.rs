use larder::cache_put;

#[cache_put(key = "user:<id>")]
async fn save(id: u64) -> Missing {
    id
}

fn main() {}

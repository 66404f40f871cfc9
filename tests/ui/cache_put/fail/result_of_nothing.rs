use larder::cache_put;

#[cache_put(key = "user:<result.id>")]
async fn save(id: u64) {
    drop(id);
}

fn main() {}

use larder::cache_put;

#[cache_put(key = "user:<id>")]
async fn save(id: u64) {
    let _ = id;
}

fn main() {}

use larder::cache_put;

#[cache_put(key = "user:<name>")]
async fn save(name: &str) -> &str {
    name
}

fn main() {}

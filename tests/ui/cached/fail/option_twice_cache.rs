use larder::cached;

static CACHE: larder::Named = larder::Named::new("users");

#[cached(key = "user:<id>", cache = CACHE, cache = CACHE)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

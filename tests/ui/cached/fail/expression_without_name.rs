use larder::cached;

#[cached(key = "user:<id>", 1 + 1)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

use larder::cached;

#[cached(key = "user:<id>", cahce = CACHE)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

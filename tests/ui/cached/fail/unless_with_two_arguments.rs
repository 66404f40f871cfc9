use larder::cached;

#[cached(key = "user:<id>", unless = |id, value| id == value)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

use larder::cached;

#[cached(key = "user:<id>", unless = |value| *value == 0, unless = |value| *value == 0)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

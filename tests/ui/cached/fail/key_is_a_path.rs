use larder::cached;

const KEY: &str = "user:<id>";

#[cached(key = KEY)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

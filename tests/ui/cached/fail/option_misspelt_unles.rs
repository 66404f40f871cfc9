use larder::cached;

#[cached(key = "user:<id>", unles = |value| *value == 0)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

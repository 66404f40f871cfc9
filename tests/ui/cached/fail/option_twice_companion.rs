use larder::cached;

#[cached(key = "user:<id>", companion = none, companion = none)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

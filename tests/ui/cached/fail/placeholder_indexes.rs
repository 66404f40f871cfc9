use larder::cached;

#[cached(key = "user:<ids[0]>")]
async fn get_user(ids: &[u64]) -> u64 {
    ids[0]
}

fn main() {}

use larder::cached;

#[cached(key = "user:<id>")]
async fn get_user<K: Send + Sync>(id: K) -> u64 {
    drop(id);
    1
}

fn main() {}

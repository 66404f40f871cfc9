use larder::cached;

#[cached(key = "user:<T.id>:<id>")]
async fn get_user<T: Send>(id: u64) -> u64 {
    id
}

fn main() {}

use larder::cached;

#[cached(key = "user:<id>")]
async fn get_user<T: Default + Clone + Send + Sync + 'static>(id: u64) -> Vec<T> {
    let _ = id;
    vec![T::default()]
}

fn main() {}

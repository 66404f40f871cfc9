use larder::cached;

#[cached]
async fn get_user<T: Default + Send>(id: u64) -> u64 {
    let _ = T::default();
    id
}

fn main() {}

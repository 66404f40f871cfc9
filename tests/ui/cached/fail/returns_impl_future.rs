use larder::cached;

#[cached(key = "user:<id>")]
fn get_user(id: u64) -> impl Future<Output = u64> {
    async move { id }
}

fn main() {}

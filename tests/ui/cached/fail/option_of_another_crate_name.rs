use larder::cached;

#[cached(name = "user:<id>")]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

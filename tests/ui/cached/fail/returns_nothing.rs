use larder::cached;

#[cached(key = "user:<id>")]
async fn get_user(id: u64) {
    let _ = id;
}

fn main() {}

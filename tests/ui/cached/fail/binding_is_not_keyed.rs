use larder::cached;

#[cached(key = "user:<id>")]
async fn get_user((org, id): (u64, u64)) -> u64 {
    org + id
}

fn main() {}

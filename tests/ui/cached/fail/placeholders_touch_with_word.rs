use larder::cached;

#[cached(key = "user:<a>and<b>")]
async fn get_user(a: u64, b: u64) -> u64 {
    a + b
}

fn main() {}

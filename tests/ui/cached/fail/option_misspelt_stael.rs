use larder::cached;

#[cached(key = "user:<id>", stael = 60)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

use larder::cached;

#[cached(key = "user:<id>", tags = atuo)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

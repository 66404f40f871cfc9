use larder::cached;

#[cached(key = "user:<id>", crate = larder, crate = larder)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

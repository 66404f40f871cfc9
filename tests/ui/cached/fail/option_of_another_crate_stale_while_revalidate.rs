use larder::cached;

#[cached(key = "user:<id>", stale_while_revalidate = 60)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

use larder::cached;

#[cached(key = "user:<idd>", lock)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

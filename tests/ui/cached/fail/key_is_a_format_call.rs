use larder::cached;

#[cached(key = format!("user:{id}"))]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

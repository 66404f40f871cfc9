use larder::cached;

#[cached(key = "user:<id>", sync_writes)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

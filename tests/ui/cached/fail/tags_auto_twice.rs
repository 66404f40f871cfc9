use larder::cached;

#[cached(key = "user:<id>", tags = [auto, "users", auto])]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

use larder::cached;

#[cached(key = "user:<id>", skip_if = |value| true)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

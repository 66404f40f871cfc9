use larder::cache_put;

#[cache_put(key = "user:<id>", tags = ["users", auto])]
async fn rename_user(id: u64) -> u64 {
    id
}

fn main() {}

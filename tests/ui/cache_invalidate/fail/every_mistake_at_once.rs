use larder::cache_invalidate;

#[cache_invalidate("user:{id}", "user:<idd>", "user:?", get_user, tags = ["*"], stict)]
fn save(id: u64) -> u64 {
    id
}

fn main() {}

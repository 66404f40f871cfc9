use larder::cache_put;

struct User;

#[cache_put(key = "user:<id>", local)]
async fn save(id: u64) -> Option<User> {
    (id > 0).then_some(User)
}

fn main() {}

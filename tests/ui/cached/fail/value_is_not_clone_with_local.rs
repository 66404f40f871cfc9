use larder::cached;

struct User;

#[cached(key = "user:<id>", local)]
async fn get_user(id: u64) -> Option<User> {
    drop(id);
    None
}

fn main() {}

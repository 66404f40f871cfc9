use larder::cached;

struct User;

#[cached(key = "user:<id>")]
async fn get_user(id: u64) -> Result<Option<User>, String> {
    Err(id.to_string())
}

fn main() {}

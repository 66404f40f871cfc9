use larder::cached;

#[cached(key = "user:{user.id}")]
async fn get_user(user: (u64, u64)) -> u64 {
    user.0
}

fn main() {}

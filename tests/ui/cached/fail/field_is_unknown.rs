use larder::cached;

struct User {
    id: u64,
}

#[cached(key = "user:<user.idd>")]
async fn orders(user: &User) -> Vec<u64> {
    vec![user.id]
}

fn main() {}

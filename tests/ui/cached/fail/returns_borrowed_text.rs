use larder::cached;

#[cached(key = "user:<name>")]
async fn get_user(name: &str) -> &str {
    name
}

fn main() {}

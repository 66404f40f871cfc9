use larder::cached;

#[cached(key = "user:<id>")]
async fn get_user(id: u64) -> u64 {
    id
}

#[cached(key = "user:<name>")]
async fn find_user(name: &str) -> u64 {
    name.len() as u64
}

fn main() {}

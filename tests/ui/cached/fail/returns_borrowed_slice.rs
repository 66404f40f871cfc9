use larder::cached;

#[cached(key = "user:<names>")]
async fn get_users(names: &[u64]) -> &[u64] {
    names
}

fn main() {}

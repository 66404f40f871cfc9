use larder::cached;

#[cached(key = "user:<id>")]
async fn get_user(id: impl ToString) -> u64 {
    drop(id.to_string());
    1
}

fn main() {}

use larder::cached;

#[cached(key = "user:<id>", skip(databse))]
async fn get_user(database: &str, id: u64) -> u64 {
    let _ = database;
    id
}

fn main() {}

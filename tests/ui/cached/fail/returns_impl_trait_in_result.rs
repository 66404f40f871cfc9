use larder::cached;

#[cached(key = "user:<id>")]
async fn get_user(id: u64) -> Result<impl ToString, String> {
    Ok::<_, String>(id)
}

fn main() {}

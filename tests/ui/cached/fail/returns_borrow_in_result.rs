use larder::cached;

#[cached(key = "user:<name>")]
async fn get_user<'a>(name: &'a str) -> Result<Option<&'a str>, String> {
    Ok(Some(name))
}

fn main() {}

use larder::cached;

#[cached(key = "user:<id>")]
async fn get_user(id: u64) -> &'static str {
    if id == 0 { "zero" } else { "more" }
}

fn main() {}

use larder::cached;

struct User;

#[cached(key = "user:<id>")]
impl User {}

fn main() {}

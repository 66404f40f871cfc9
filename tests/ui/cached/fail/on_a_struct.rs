use larder::cached;

#[cached(key = "user:<id>")]
struct User;

fn main() {}

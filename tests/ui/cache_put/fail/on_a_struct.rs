use larder::cache_put;

#[cache_put(key = "user:<id>")]
struct User;

fn main() {}

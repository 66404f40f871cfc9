use larder::cached;

#[cached(key = "user:<id>")]
enum User {}

fn main() {}

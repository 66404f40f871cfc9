use larder::cached;

#[cached(key = "user:<id>")]
type User = u64;

fn main() {}

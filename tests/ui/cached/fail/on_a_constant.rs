use larder::cached;

#[cached(key = "user:<id>")]
const USER: u64 = 1;

fn main() {}

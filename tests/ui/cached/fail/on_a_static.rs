use larder::cached;

#[cached(key = "user:<id>")]
static USER: u64 = 1;

fn main() {}

use larder::cached;

#[cached(key = "user:<id>")]
mod users {}

fn main() {}

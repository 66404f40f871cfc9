use larder::cached;

#[cached(key = "user:<id>")]
trait Store {}

fn main() {}

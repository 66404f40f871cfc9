use larder::cache_invalidate;

#[cache_invalidate("user:<id>")]
struct User;

fn main() {}

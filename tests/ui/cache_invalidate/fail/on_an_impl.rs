use larder::cache_invalidate;

struct User;

#[cache_invalidate("user:<id>")]
impl User {}

fn main() {}

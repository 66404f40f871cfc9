use std::rc::Rc;

use larder::cached;

#[cached(key = "user:<id>", skip(db))]
async fn get_user(db: Rc<u64>, id: u64) -> u64 {
    *db + id
}

fn needs_send<F: Future + Send>(_: F) {}

fn main() {
    needs_send(get_user(Rc::new(1), 1));
}

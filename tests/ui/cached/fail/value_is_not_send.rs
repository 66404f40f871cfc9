use larder::cached;
use std::rc::Rc;

#[cached(key = "user:<id>", local)]
async fn get_user(id: u64) -> Rc<u64> {
    Rc::new(id)
}

fn main() {}

use std::rc::Rc;

use larder::cached;

#[cached(key = "user:<id>")]
async fn get_user(id: u64) -> u64 {
    let id = Rc::new(id);
    std::future::ready(()).await;
    *id
}

fn main() {
    let _ = tokio::spawn(get_user(1));
}

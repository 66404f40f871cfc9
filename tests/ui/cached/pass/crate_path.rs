#![deny(warnings)]

mod vendored {
    pub use larder as cache;
}

#[larder::cached(key = "user:<id>", crate = crate::vendored::cache)]
async fn get_user(id: u64) -> u64 {
    id
}

#[larder::cache_invalidate("user:<id>", crate = vendored::cache)]
async fn forget(id: u64) {
    let _ = id;
}

#[derive(larder::KeyPart)]
#[key_part(crate = crate::vendored::cache)]
struct Id(#[allow(dead_code)] u64);

#[tokio::main]
async fn main() {
    assert_eq!(get_user(1).await, 1);
    forget(1).await;
    let _ = Id(1);
}

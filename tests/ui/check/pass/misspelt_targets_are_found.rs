#![deny(warnings)]

use larder::{cache_invalidate, cached};

#[cached(key = "user:<id>", ttl = 300, tags = ["users"])]
async fn get_user(id: u64) -> u64 {
    id
}

#[cache_invalidate("usr:*", "user:<id>", tags = ["uesrs", "users"])]
async fn remove(id: u64) {
    let _ = id;
}

fn main() {
    let findings = larder::check().expect_err("a pattern and a tag reach nothing").to_string();
    assert!(findings.contains("`usr:*`"), "{findings}");
    assert!(findings.contains("`uesrs`"), "{findings}");
    assert_eq!(findings.lines().count(), 2, "{findings}");
    let _ = (get_user(1), remove(1));
}

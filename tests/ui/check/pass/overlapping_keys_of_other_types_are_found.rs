#![deny(warnings)]

use larder::cached;

#[cached(key = "user:<id>")]
async fn get_user(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[cached(key = "user:all")]
async fn all_users() -> Vec<u64> {
    Vec::new()
}

fn main() {
    let findings = larder::check().expect_err("`user:all` is what `user:<id>` can be").to_string();
    assert!(findings.contains("`user:<id>`") && findings.contains("`user:all`"), "{findings}");
    let _ = (get_user(1), all_users());
}

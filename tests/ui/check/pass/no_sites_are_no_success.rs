#![deny(warnings)]

fn main() {
    let findings = larder::check().expect_err("nothing was checked");
    assert!(findings.to_string().contains("no cached function"), "{findings}");
    assert!(larder::keys().is_empty());
}

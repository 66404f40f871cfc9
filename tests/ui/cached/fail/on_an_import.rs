use larder::cached;

#[cached(key = "user:<id>")]
pub use std::fmt;

fn main() {}

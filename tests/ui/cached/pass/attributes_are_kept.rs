#![deny(warnings)]
#![deny(missing_docs, unreachable_pub)]
#![deny(unused_must_use)]
//! A crate with strict lints.

/// Functions.
pub mod functions {
    use larder::cached;

    /// Documented.
    #[cached(key = "doc:<id>")]
    #[must_use]
    #[inline]
    pub async fn documented(id: u64) -> u64 {
        id
    }

    /// Allowed in the body.
    #[cached(key = "allow:<id>")]
    #[allow(unused_variables)]
    pub async fn allowed(id: u64) -> u64 {
        let unused = 1;
        id
    }

    /// Expected in the body.
    #[cached(key = "expect:<id>")]
    #[expect(unused_variables, reason = "a test")]
    pub async fn expected(id: u64) -> u64 {
        let unused = 1;
        id
    }

    /// Not here.
    #[cached(key = "cfg:<id>")]
    #[cfg(any())]
    pub async fn configured(id: Missing) -> u64 {
        id
    }

    /// Not here either.
    #[cfg(any())]
    #[cached(key = "cfg:<id>")]
    pub async fn configured(id: Missing) -> u64 {
        id
    }
}

/// A type.
#[derive(Debug)]
pub struct Repo;

impl Repo {
    /// Documented.
    #[larder::cached(key = "method:<id>", skip(self))]
    pub async fn method(&self, id: u64) -> u64 {
        id
    }

    /// Not here.
    #[larder::cached(key = "cfg:<id>", skip(self))]
    #[cfg(any())]
    pub async fn configured(&self, id: Missing) -> u64 {
        id
    }
}

#[tokio::main]
async fn main() {
    assert_eq!(functions::documented(1).await, 1);
    assert_eq!(functions::allowed(1).await, 1);
    assert_eq!(functions::expected(1).await, 1);
    assert_eq!(Repo.method(1).await, 1);
}

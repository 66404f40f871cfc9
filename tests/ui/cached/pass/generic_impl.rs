#![deny(warnings)]

use larder::{KeyPart, cached};

struct Repo<'p, K> {
    prefix: &'p str,
    last: Option<K>,
}

impl<'p, K: KeyPart + Clone + Sync + Send + PartialEq> Repo<'p, K> {
    #[cached(key = "repo:<self.prefix>:<id>")]
    async fn is_last(&self, id: &K) -> bool {
        self.last.as_ref() == Some(id)
    }

    #[cached(skip(self))]
    async fn named(&self, name: &'p str) -> String {
        name.to_owned()
    }
}

#[tokio::main]
async fn main() {
    let repo = Repo { prefix: "p", last: Some(7_u64) };
    assert!(repo.is_last(&7).await);
    assert_eq!(repo.is_last_key(7).as_str(), "repo:p:7");
    assert_eq!(repo.named("a").await, "a");
}

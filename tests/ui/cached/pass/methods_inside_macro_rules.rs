#![deny(warnings)]

use larder::{cache_invalidate, cached};

struct Repo {
    tenant: u64,
}

// All of it is the macro's.
macro_rules! repository {
    ($repo:ident) => {
        impl $repo {
            #[cached(key = "tenant:<self.tenant>:user:<id>")]
            async fn load(&self, id: u64) -> u64 {
                self.tenant + id
            }

            #[cached(skip(self))]
            async fn name(&self, id: u64) -> String {
                id.to_string()
            }

            #[cache_invalidate(self.load(id), Self::count(_), "tenant:<self.tenant>:*")]
            async fn save(&self, id: u64) -> u64 {
                id
            }

            #[cached]
            async fn count(team: u64) -> u64 {
                team
            }
        }
    };
}

repository!(Repo);

// The arguments are the macro's, the rest is its caller's.
macro_rules! loader {
    ($(#[$attribute:meta])* $visibility:vis $name:ident($($argument:ident: $ty:ty),*) -> $output:ty $body:block) => {
        $(#[$attribute])*
        #[cached(ttl = 60)]
        $visibility async fn $name($($argument: $ty),*) -> $output $body
    };
}

loader! {
    /// Documented.
    pub sum(a: u64, b: u64) -> u64 { a + b }
}

#[tokio::main]
async fn main() {
    let repo = Repo { tenant: 1 };
    assert_eq!((repo.load(1).await, repo.save(2).await), (2, 2));
    assert_eq!(repo.load_key(2).as_str(), "tenant:1:user:2");
    assert_eq!((repo.name(1).await, Repo::count(1).await), ("1".to_owned(), 1));
    assert_eq!(sum(1, 2).await, 3);
}

#![deny(warnings)]

mod users {
    use larder::cached;

    #[cached(key = "user:<id>")]
    pub async fn get_user(id: u64) -> u64 {
        id
    }

    pub mod deeper {
        #[larder::cached(key = "deep:<id>")]
        pub(in crate::users) async fn deep(id: u64) -> u64 {
            id
        }
    }

    pub async fn through(id: u64) -> (u64, String) {
        (deeper::deep(id).await, deeper::deep::key(id).to_string())
    }
}

use users::get_user;
use users::get_user as fetch;

#[tokio::main]
async fn main() {
    assert_eq!(get_user(1).await, 1);
    assert_eq!(fetch(1).await, 1);
    assert_eq!(get_user::key(1), fetch::key(&1));
    assert_eq!(fetch::refresh(1).await, 1);
    assert_eq!(users::through(1).await, (1, "deep:1".to_owned()));
}

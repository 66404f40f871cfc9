#![deny(warnings)]

use larder::{Named, cached};

static SESSIONS: Named = Named::new("sessions");
static USERS: Named = Named::new("users");

#[cached(key = "user:<id>")]
async fn by_id(id: u64) -> u64 {
    id
}

#[cached(key = "user:<id>", shared)]
async fn by_id_too(id: u64) -> u64 {
    id
}

mod other {
    #[larder::cached(key = "user:<id>", cache = super::SESSIONS)]
    pub async fn in_another_cache(id: u64) -> u64 {
        id
    }

    #[larder::cached(key = "user:<id>", cache = &super::USERS)]
    pub async fn in_a_third(id: u64) -> u64 {
        id
    }
}

#[tokio::main]
async fn main() {
    assert_eq!(by_id(1).await + by_id_too(1).await, 2);
    let _ = (other::in_another_cache, other::in_a_third);
}

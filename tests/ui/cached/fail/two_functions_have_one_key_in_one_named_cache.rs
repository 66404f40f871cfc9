use larder::{Named, cached};

static USERS: Named = Named::new("users");

#[cached(key = "user:<id>", cache = USERS)]
async fn get_user(id: u64) -> u64 {
    id
}

mod other {
    use super::USERS;

    #[larder::cached(key = "user:<id>", cache = USERS)]
    pub async fn get_user(id: u64) -> u64 {
        id
    }
}

fn main() {}

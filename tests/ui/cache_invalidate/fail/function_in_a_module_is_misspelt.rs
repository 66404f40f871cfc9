use larder::cache_invalidate;

mod users {
    #[larder::cached(key = "user:<id>")]
    pub async fn get_user(id: u64) -> u64 {
        id
    }
}

#[cache_invalidate(users::get_usr(id))]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}

mod users {
    #[larder::cached(key = "user:<id>")]
    async fn get_user(id: u64) -> u64 {
        id
    }
}

fn main() {
    users::get_user::key(1);
}

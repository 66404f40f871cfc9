use larder::cached;

#[cached(key = "user:<id>", unless = |user| user.idd == 0)]
async fn get_user(id: u64) -> (u64, u64) {
    (id, id)
}

fn main() {}

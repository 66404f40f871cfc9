use larder::cached;

#[cached(key = "user:<idd>:<pagee>")]
async fn get_user(id: u64, page: u64) -> u64 {
    id + page
}

fn main() {}

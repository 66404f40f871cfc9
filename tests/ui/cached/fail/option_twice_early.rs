use larder::cached;

#[cached(key = "user:<id>", early = true, early = true)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

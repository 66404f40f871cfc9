use larder::cached;

#[cached(key = "find:<id:lower>")]
async fn find(id: u64) -> u64 {
    id
}

fn main() {}

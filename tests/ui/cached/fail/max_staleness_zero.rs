use larder::cached;

#[cached(key = "user:<id>", max_staleness = 0)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}

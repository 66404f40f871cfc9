use larder::cached;

const BRIEF: std::time::Duration = std::time::Duration::from_millis(100);

#[cached(key = "user:<id>", max_staleness = BRIEF)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}

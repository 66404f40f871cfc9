use larder::cached;

#[cached(key = "user:<pair.2>")]
async fn orders(pair: (u64, u64)) -> u64 {
    pair.0 + pair.1
}

fn main() {}

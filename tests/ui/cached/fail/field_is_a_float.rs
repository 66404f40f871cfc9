use larder::cached;

struct Point {
    x: f64,
}

#[cached(key = "near:<point.x>")]
async fn near(point: &Point) -> u64 {
    drop(point.x.to_string());
    1
}

fn main() {}

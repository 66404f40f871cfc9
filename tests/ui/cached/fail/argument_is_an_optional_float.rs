use larder::cached;

#[cached(key = "near:<distance>")]
async fn near(distance: Option<f32>) -> u64 {
    distance.map_or(0, |_| 1)
}

fn main() {}

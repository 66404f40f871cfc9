use larder::cached;

#[cached(key = "near:<distance>")]
async fn near(distance: f64) -> Vec<String> {
    vec![distance.to_string()]
}

fn main() {}

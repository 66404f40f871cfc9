use larder::KeyPart;

#[derive(KeyPart)]
struct Point {
    x: f64,
}

fn main() {}

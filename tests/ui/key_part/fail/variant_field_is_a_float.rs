use larder::KeyPart;

#[derive(KeyPart)]
enum Shape {
    Point,
    Circle(f64),
}

fn main() {}

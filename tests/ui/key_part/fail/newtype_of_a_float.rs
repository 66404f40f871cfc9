use larder::KeyPart;

#[derive(KeyPart)]
struct Meters(f32);

fn main() {}

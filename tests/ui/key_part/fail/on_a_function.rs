use larder::KeyPart;

#[derive(KeyPart)]
fn id() {}

fn main() {}

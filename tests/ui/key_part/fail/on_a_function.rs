#[derive(larder::KeyPart)]
fn id() {}

fn main() {}

use larder::KeyPart;

#[derive(KeyPart)]
#[derive(KeyPart)]
struct Id(u64);

fn main() {}

use larder::KeyPart;

#[derive(KeyPart)]
#[key_part(crate = std)]
struct Id(u64);

fn main() {}

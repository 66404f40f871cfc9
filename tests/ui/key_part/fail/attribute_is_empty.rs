use larder::KeyPart;

#[derive(KeyPart)]
#[key_part]
struct Id(u64);

fn main() {}

use larder::KeyPart;

#[derive(KeyPart)]
#[key_part(skip)]
struct Id(u64);

fn main() {}

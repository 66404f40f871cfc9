use larder::KeyPart;

#[derive(KeyPart)]
#[key_part = "id"]
struct Id(u64);

fn main() {}

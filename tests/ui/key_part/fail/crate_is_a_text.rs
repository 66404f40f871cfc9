use larder::KeyPart;

#[derive(KeyPart)]
#[key_part(crate = "larder")]
struct Id(u64);

fn main() {}

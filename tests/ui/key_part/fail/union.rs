use larder::KeyPart;

#[derive(KeyPart)]
union Id {
    number: u64,
    text: u32,
}

fn main() {}

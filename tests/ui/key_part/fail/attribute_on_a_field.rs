use larder::KeyPart;

#[derive(KeyPart)]
struct User {
    #[key_part(skip)]
    id: u64,
}

fn main() {}

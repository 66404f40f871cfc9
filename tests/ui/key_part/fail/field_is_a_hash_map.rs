use larder::KeyPart;

#[derive(KeyPart)]
struct Filter {
    limits: std::collections::HashMap<String, u64>,
}

fn main() {}

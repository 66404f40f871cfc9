use larder::KeyPart;

#[derive(KeyPart)]
struct Pair<T>(T, T);

fn needs_key_part(_: impl KeyPart) {}

fn wrong() {
    needs_key_part(Pair(1.0, 2.0));
}

fn main() {}

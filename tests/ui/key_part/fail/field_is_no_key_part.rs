use larder::KeyPart;

struct Team;

#[derive(KeyPart)]
struct User {
    id: u64,
    team: Team,
}

fn main() {}

use larder::cached;

struct Team {
    id: u64,
}

struct User {
    team: Team,
}

#[cached(key = "user:<user.team.idd>")]
async fn orders(user: &User) -> u64 {
    user.team.id
}

fn main() {}

use larder::cached;

struct Repo {
    tenant: u64,
}

impl Repo {
    #[cached(key = "user:<id>", skip(self))]
    async fn load(self: &mut Self, id: u64) -> u64 {
        self.tenant += id;
        id
    }
}

fn main() {}

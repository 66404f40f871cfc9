use larder::cached;

struct Repo {
    tenant: u64,
}

impl Repo {
    #[cached(ttl = 5)]
    async fn load(&self, id: u64) -> u64 {
        self.tenant + id
    }
}

fn main() {}

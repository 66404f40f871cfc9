use larder::cached;

struct Repo {
    tenant: u64,
}

impl Repo {
    #[cached(key = "user:<self.tenant>")]
    async fn tenant(&self) -> &u64 {
        &self.tenant
    }
}

fn main() {}

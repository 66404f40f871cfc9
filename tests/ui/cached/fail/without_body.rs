use larder::cached;

trait Store {
    #[cached(key = "user:<id>", skip(self))]
    async fn load(&self, id: u64) -> u64;
}

fn main() {}

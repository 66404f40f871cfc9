use larder::cached;

#[cached(key = "user:<id>", ttl = 60, stale = 60, skip(print))]
async fn get_user(print: &dyn Fn(u64), id: u64) -> u64 {
    print(id);
    id
}

fn main() {}

use larder::cached;

struct Filter;

#[cached(key = "users:<filter>")]
async fn find(filter: Filter) -> Vec<String> {
    drop(filter);
    Vec::new()
}

fn main() {}

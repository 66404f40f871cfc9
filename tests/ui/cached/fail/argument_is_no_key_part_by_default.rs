use larder::cached;

struct Filter;

#[cached]
async fn find(filter: Filter) -> u64 {
    drop(filter);
    1
}

fn main() {}

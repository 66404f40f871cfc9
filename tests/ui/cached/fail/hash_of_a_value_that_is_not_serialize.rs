use larder::cached;

struct Filter;

#[cached(key = "find:<filter:hash>")]
async fn find(filter: &Filter) -> u64 {
    let _ = filter;
    1
}

fn main() {}

use larder::cached;

#[allow(non_camel_case_types)]
struct get_user {}

#[cached(key = "user:<id>")]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}

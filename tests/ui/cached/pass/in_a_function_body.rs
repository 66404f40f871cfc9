#![deny(warnings)]
#![forbid(unsafe_code)]

#[tokio::main]
async fn main() {
    #[larder::cached]
    async fn inner(id: u64) -> u64 {
        id
    }
    assert_eq!(inner(1).await, 1);

    let other = async {
        #[larder::cached]
        async fn inner(id: u64) -> u64 {
            id + 1
        }
        (inner(1).await, inner::key(1))
    };
    assert_eq!(other.await.0, 2);
}

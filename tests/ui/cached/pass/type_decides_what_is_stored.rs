#![deny(warnings)]

use std::sync::Arc;

use larder::cached;

type Fallible<T> = Result<T, NotClone>;
type Maybe<T> = Option<T>;

#[derive(Debug, PartialEq)]
struct NotClone;

#[cached(key = "a:<n>")]
async fn fallible(n: u64) -> Fallible<u64> {
    if n == 0 { Err(NotClone) } else { Ok(n) }
}

#[cached(key = "b:<n>", none_ttl = 5)]
async fn maybe(n: u64) -> Maybe<u64> {
    (n != 0).then_some(n)
}

#[cached(key = "c:<n>")]
async fn both(n: u64) -> Fallible<Maybe<u64>> {
    match n {
        0 => Err(NotClone),
        1 => Ok(None),
        n => Ok(Some(n)),
    }
}

#[cached(key = "d:<n>")]
async fn pointer(n: u64) -> Arc<str> {
    n.to_string().into()
}

// The error is not stored: it may be what could not be read back.
#[cached(key = "e:<n>")]
async fn said(n: u64) -> Result<u64, &'static str> {
    if n == 0 { Err("zero") } else { Ok(n) }
}

#[tokio::main]
async fn main() {
    assert_eq!((fallible(0).await, fallible(1).await), (Err(NotClone), Ok(1)));
    assert_eq!((maybe(0).await, maybe(1).await), (None, Some(1)));
    assert_eq!((both(0).await, both(1).await, both(2).await), (Err(NotClone), Ok(None), Ok(Some(2))));
    assert_eq!(&*pointer(1).await, "1");
    assert_eq!((said(0).await, said(1).await), (Err("zero"), Ok(1)));
}

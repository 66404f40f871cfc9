#![deny(warnings)]

use larder::cache_invalidate;

#[derive(Debug)]
struct AppError;

impl From<larder::Error> for AppError {
    fn from(_: larder::Error) -> Self {
        Self
    }
}

#[cache_invalidate("user:*", strict)]
async fn import() -> Result<u64, AppError> {
    Ok(1)
}

#[cache_invalidate("user:<result>", strict, on_ok)]
async fn create() -> Result<u64, AppError> {
    Ok(1)
}

#[tokio::main]
async fn main() {
    assert_eq!(import().await.unwrap() + create().await.unwrap(), 2);
}

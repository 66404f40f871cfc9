use std::time::Duration;

use larder::cache_invalidate;

const SETTLE: Duration = Duration::from_millis(500);

#[cache_invalidate("user:<id>", settle = 2)]
async fn seconds(id: u64) {}

#[cache_invalidate("user:<id>", on_ok, settle = "500ms")]
async fn text(id: u64) -> Result<(), std::io::Error> {
    Ok(())
}

#[cache_invalidate("user:*", tags = ["users"], settle = SETTLE)]
async fn computed() {}

fn main() {
    let _ = async { (seconds(1).await, text(1).await.ok(), computed().await) };
}

use std::time::Duration;

use larder::cache_invalidate;

const FENCE: Duration = Duration::from_secs(30);

#[cache_invalidate("user:<id>", fence = 30)]
async fn seconds(id: u64) {}

#[cache_invalidate("user:<id>", on_ok, fence = "30s", settle = "500ms")]
async fn text(id: u64) -> Result<(), std::io::Error> {
    Ok(())
}

#[cache_invalidate("user:*", tags = ["users"], fence = FENCE, when = really)]
async fn computed(really: bool) {}

fn main() {
    let _ = async { (seconds(1).await, text(1).await.ok(), computed(true).await) };
}

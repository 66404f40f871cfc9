//! The quickstart's report: every number in it is a difference of counters that the cache and the database keep.

use std::time::{Duration, Instant};

use larder::{Cache, Stats};

use crate::db::{self, DbError};

pub(crate) struct Report {
    cache: Cache,
}

impl Report {
    pub(crate) fn begin(cache: Cache) -> Self {
        println!("{:34} calls   hits joined queries       time   per call", "ISO 3166 in SQLite");
        Self { cache }
    }

    /// Does `work`, which says how many calls it made, and prints what they took.
    pub(crate) async fn row(
        &self,
        what: &str,
        work: impl Future<Output = Result<u32, DbError>>,
    ) -> Result<Duration, DbError> {
        let (before, asked, began) = (self.cache.stats(), db::queries(), Instant::now());
        let calls = work.await?;
        let (took, queries, after) = (began.elapsed(), db::queries() - asked, self.cache.stats());
        let (hits, joined) = (after.hits - before.hits, after.joins - before.joins);
        let (time, each) = (shown(took), shown(took / calls));
        println!("  {what:32} {calls:>5} {hits:>6} {joined:>6} {queries:>7} {time:>10} {each:>10}");
        Ok(took)
    }

    #[expect(clippy::unused_self, reason = "the rows and the events of a report read alike")]
    pub(crate) fn event(&self, what: &str) {
        println!("→ {what}");
    }

    pub(crate) fn end(&self, alone: Duration, again: Duration) {
        let Stats { hits, local_hits, remote_hits, remote_errors, remote_timeouts, .. } = self.cache.stats();
        println!("{hits} hits, {local_hits} from this process and {remote_hits} from Redis");
        if remote_errors > 0 {
            println!(
                "Redis failed {remote_errors} times, {remote_timeouts} of them by not answering; no call failed for it"
            );
        }
        let times = alone.as_secs_f64() / again.as_secs_f64();
        println!(
            "the second pass took {} instead of {}: {times:.1} times as fast",
            shown(again),
            shown(alone)
        );
    }
}

fn shown(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 1_000.0 { format!("{micros:.1} µs") } else { format!("{:.1} ms", micros / 1e3) }
}

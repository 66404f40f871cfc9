//! Allocations of a hit, for each subject, and of a miss: `cargo bench -p benches --bench allocations`.
//! Nothing else is measured here, because a counting allocator slows down whatever allocates.

use std::sync::Arc;

use allocation_counter::measure;
use benches::subject::{Subject, Value};
use benches::table::{Table, number};
use benches::user::{User, load};
use benches::{peers, trace};
use larder::cached;

/// Calls of which the mean is taken.
const CALLS: u64 = 1_000;

fn main() {
    let mut table = Table::new(&["a hit, one key", "value", "allocations"]);
    for subject in peers::hit() {
        let ids = trace::one(1_000);
        subject.run(&ids);
        let allocations = measure(|| subject.run(&ids)).count_total;
        table.row(vec![subject.name.to_owned(), format!("{:?}", subject.value), each(allocations)]);
    }
    println!("{table}");
    let mut table = Table::new(&["a miss that loads an Arc<User>", "allocations", "bytes", "of these kept"]);
    for subject in misses() {
        let ids: Vec<u64> = (0..CALLS).collect();
        subject.run(&(CALLS..2 * CALLS).collect::<Vec<_>>());
        let counted = measure(|| subject.run(&ids));
        let kept = u64::try_from(counted.bytes_current).unwrap_or(0);
        table.row(vec![
            subject.name.to_owned(),
            each(counted.count_total),
            each(counted.bytes_total),
            each(kept),
        ]);
    }
    print!("{table}");
}

#[cached(ttl = 300, key = "missed:<id>")]
async fn missed(id: u64) -> Arc<User> {
    Arc::new(load(id).await)
}

fn misses() -> [Subject; 3] {
    let quick = Arc::new(quick_cache::sync::Cache::<u64, Arc<User>>::new(1 << 18));
    let moka = moka::future::Cache::<u64, Arc<User>>::new(1 << 18);
    [
        Subject::new("larder #[cached(ttl, key)]", Value::Shared, missed),
        Subject::new("quick_cache get_or_insert_async", Value::Shared, move |id| {
            let quick = Arc::clone(&quick);
            async move { quick.get_or_insert_async(&id, async { Ok::<_, ()>(Arc::new(load(id).await)) }).await }
        }),
        Subject::new("moka get_with", Value::Shared, move |id| {
            let moka = moka.clone();
            async move { moka.get_with(id, async { Arc::new(load(id).await) }).await }
        }),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "a small count")]
fn each(total: u64) -> String {
    number(total as f64 / CALLS as f64)
}

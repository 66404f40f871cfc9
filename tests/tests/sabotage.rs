//! A proof that never failed proves nothing: with any step of the protocol left out, the history of the same
//! traffic that is sound without it shows a stale read, and soon.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cache_core::sabotage::{Fault, plant};
use larder::store::{
    Append, Claim, Expect, Fence, Fetched, Health, News, Position, Put, Reader, Reading, RemoteStore, Token,
};
use larder::testing::{History, Summary, Violation};
use larder::{Cache, Memory, Result};
use tests::map_store::MapStore;
use tests::traffic::{Plan, Traffic};
use tests::yielding::Yielding;

/// Operations between two looks at the history.
const OPERATIONS: u64 = 5_000;
/// By then every fault must have been caught.
const PATIENCE: Duration = Duration::from_secs(60);
/// Δ between two processes.
const STALENESS: Duration = Duration::from_millis(20);

/// What a fault needs to do harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    /// One process.
    Alone,
    /// With a shared store.
    Shared,
    /// Two processes, one of which has late news.
    Late,
    /// Two processes, one of which has news without some records.
    Gaps,
}

const AROUND: [Around; 4] = [Around::Alone, Around::Shared, Around::Late, Around::Gaps];

/// A store with news in trouble.
#[derive(Debug)]
struct Troubled {
    store: Yielding<MapStore>,
    around: Around,
    asked: AtomicU64,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl RemoteStore for Troubled {
    async fn fetch(&self, name: &str, scopes: &[String], claim: Option<Claim<'_>>) -> Result<Fetched> {
        self.store.fetch(name, scopes, claim).await
    }

    fn glance(&self, name: &str, scopes: &Arc<[String]>) -> Reading<'_> {
        self.store.glance(name, scopes)
    }

    async fn fetch_many(&self, names: &[(String, Vec<String>)]) -> Result<Vec<Fetched>> {
        self.store.fetch_many(names).await
    }

    async fn publish(&self, put: Put<'_>, expect: Expect<'_>) -> Result<bool> {
        self.store.publish(put, expect).await
    }

    async fn put_many(&self, puts: &[Put<'_>]) -> Result<()> {
        self.store.put_many(puts).await
    }

    async fn invalidate(
        &self,
        names: &[String],
        scopes: &[String],
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        self.store.invalidate(names, scopes, append).await
    }

    async fn fence(
        &self,
        names: &[String],
        scopes: &[String],
        fence: Fence,
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        self.store.fence(names, scopes, fence, append).await
    }

    async fn abandon(&self, name: &str, token: Token) -> Result<()> {
        self.store.abandon(name, token).await
    }

    async fn await_news(&self, log: &str, after: Position, limit: Duration) -> Result<()> {
        self.store.await_news(log, after, limit).await
    }

    async fn news(&self, log: &str, after: Option<Position>, reader: Reader) -> Result<News> {
        let mut news = self.store.news(log, after, reader).await?;
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        match self.around {
            // Real time passes, since that is what Δ is made of.
            Around::Late if number % 4 == 1 => tokio::time::sleep(2 * STALENESS).await,
            Around::Gaps if !number.is_multiple_of(16) => news.records.clear(),
            _ => {}
        }
        Ok(news)
    }

    async fn is_heard(&self, log: &str, position: Position, trusted: Duration) -> Result<bool> {
        self.store.is_heard(log, position, trusted).await
    }

    async fn expire(&self, name: &str, ttl: Duration) -> Result<bool> {
        self.store.expire(name, ttl).await
    }

    async fn lock(&self, name: &str, token: Token, lease: Duration) -> Result<Option<u64>> {
        self.store.lock(name, token, lease).await
    }

    async fn extend_lock(&self, name: &str, token: Token, lease: Duration) -> Result<bool> {
        self.store.extend_lock(name, token, lease).await
    }

    async fn unlock(&self, name: &str, token: Token) -> Result<bool> {
        self.store.unlock(name, token).await
    }

    async fn health(&self) -> Result<Health> {
        self.store.health().await
    }
}

/// Runs a little traffic over a new cache, with what is around it.
async fn run(plan: Plan, around: Around) -> Result<Summary, Violation> {
    let history = History::new();
    let builder = || Cache::builder().local(Memory::new(1_000)).max_staleness(STALENESS);
    let shared = Arc::new(MapStore::logged());
    let over = |seed| Yielding::new(Arc::clone(&shared), plan.seed ^ seed, 0);
    let others: Vec<Traffic> = match around {
        Around::Alone | Around::Shared => Vec::new(),
        Around::Late | Around::Gaps => {
            let troubled = Troubled { store: over(1), around, asked: AtomicU64::default() };
            vec![Traffic::new(builder().remote(troubled).build(), history.another_process(), plan)]
        }
    };
    let others_read = !others.is_empty();
    let cache = match around {
        Around::Alone => builder().build(),
        _ => builder().remote(over(0)).build(),
    };
    Traffic::new(cache, history.clone(), plan).run(others).await;
    history.check(if others_read { STALENESS } else { Duration::ZERO })
}

fn around(fault: Fault) -> Around {
    match fault {
        Fault::RemoteMoveOnly | Fault::NoSecondMove | Fault::PublishUnasked | Fault::GenerationsUnasked => {
            Around::Shared
        }
        Fault::TrustFromReceipt => Around::Late,
        Fault::GapIgnored => Around::Gaps,
        _ => Around::Alone,
    }
}

/// Harm that takes real processes: what `sabotaged_processes` is for.
fn needs_processes(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::DebtsForgotten
            | Fault::StalenessUnasked
            | Fault::IncarnationIgnored
            | Fault::FleetUnasked
            | Fault::FloorInTheFleet
    )
}

// The switch is one for the process: one test plants all the faults, in turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_planted_fault_is_caught_and_nothing_else_is() {
    let plan = Plan::crowded(OPERATIONS);
    let nth = |number: u64| Plan { seed: plan.seed.wrapping_add(number), ..plan };
    for fault in Fault::ALL.into_iter().filter(|fault| !needs_processes(*fault)) {
        plant(Some(fault));
        let began = Instant::now();
        let (runs, violation) = 'caught: {
            for number in 0_u64.. {
                match run(nth(number), around(fault)).await {
                    Err(violation) => break 'caught (number + 1, violation),
                    Ok(_) => assert!(began.elapsed() < PATIENCE, "{fault:?} was not caught"),
                }
            }
            unreachable!("there is always another run");
        };
        println!("{fault:?}: caught in {:.2?}, {runs} runs: {violation}", began.elapsed());
        assert!(matches!(violation, Violation::Stale(_)), "{fault:?}: {violation}");
    }
    plant(None);
    for around in AROUND {
        // Real time passes in the last two.
        let runs = if matches!(around, Around::Late | Around::Gaps) { 5 } else { 20 };
        for number in 0..runs {
            if let Err(violation) = run(nth(number), around).await {
                panic!("nothing is planted, and yet: {violation}");
            }
        }
    }
}

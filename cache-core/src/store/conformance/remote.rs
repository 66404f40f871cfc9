//! The contract of a remote store, sentence by sentence.
//! Here are the order of the checks and the hands they work with; each file below holds one family of promises.

mod conditions;
mod fences;
mod generations;
mod leases;
mod logs;
mod many;
mod values;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::error::Result;
use crate::store::{Claim, Expect, Fetched, Generation, Put, RemoteStore, Token};

/// Checks that `store` keeps the contract of [`RemoteStore`].
///
/// Works under names that begin with `conformance:` and a random number, so a store in use can be checked,
/// by several at once. What cannot be seen from outside is left to the store's own tests: that an operation
/// ends within its deadline when the server is hung, and what the texts of errors hold.
///
/// # Panics
///
/// With the promise that was broken, if one was, or if the store cannot be used.
///
/// # Examples
///
/// ```no_run
/// # fn my_store() -> std::sync::Arc<dyn cache_core::store::RemoteStore> { unimplemented!() }
/// # async fn check() {
/// cache_core::store::conformance::remote(my_store()).await;
/// # }
/// ```
pub async fn remote(store: Arc<dyn RemoteStore>) {
    let subject = Subject::new(store);

    values::what_was_stored_comes_back_byte_for_byte(&subject).await;
    values::names_are_told_apart(&subject).await;
    values::the_time_to_live_is_exact(&subject).await;
    values::a_value_ends_with_its_time(&subject).await;
    values::expire_sets_the_time_of_a_value(&subject).await;

    leases::a_claimed_load_is_published_once(&subject).await;
    leases::a_lease_is_no_value(&subject).await;
    leases::a_claim_leaves_a_value_alone(&subject).await;
    leases::the_newest_claim_wins(&subject).await;
    leases::a_deleted_or_replaced_lease_is_gone(&subject).await;
    leases::a_lease_ends_by_itself(&subject).await;
    leases::a_rejected_value_counts_as_absent(&subject).await;
    leases::a_claim_that_yields_leaves_a_lease_alone(&subject).await;
    leases::an_abandoned_lease_is_gone(&subject).await;

    generations::a_generation_is_minted_once(&subject).await;
    generations::an_invalidation_moves_its_scopes_alone(&subject).await;
    generations::a_generation_never_repeats(&subject).await;
    generations::storing_does_not_move_a_scope(&subject).await;
    generations::a_generation_outlives_the_entries_it_covers(&subject).await;

    conditions::a_value_is_stored_where_there_is_nothing(&subject).await;
    conditions::a_rejected_value_is_replaced(&subject).await;
    conditions::a_value_is_stored_over_the_one_that_was_seen(&subject).await;
    conditions::the_same_value_is_replaced_and_keeps_its_time(&subject).await;
    conditions::a_value_is_stored_while_a_scope_is_unmoved(&subject).await;
    conditions::an_invalidation_under_way_is_not_overwritten(&subject).await;

    fences::nothing_is_stored_behind_a_fence(&subject).await;
    fences::what_was_read_behind_a_fence_is_never_current(&subject).await;
    fences::a_fence_is_left_alone_by_others(&subject).await;
    fences::a_fence_ends_by_itself(&subject).await;

    logs::records_come_in_their_order_without_a_gap(&subject).await;
    logs::a_record_is_there_with_what_it_tells_of(&subject).await;
    logs::waiting_ends_with_a_record_or_its_limit(&subject).await;
    logs::a_record_is_heard_when_every_reader_has_asked_for_more(&subject).await;

    many::each_element_of_many_is_answered_in_its_place(&subject).await;
    many::nothing_from_before_an_invalidation_is_current(&subject).await;
    many::of_many_claims_at_once_one_is_published(&subject).await;
    many::a_dropped_operation_leaves_the_store_usable(&subject).await;

    subject.done("health", subject.store.health()).await;
}

/// How long anything may take before the suite gives it up: far more than any deadline.
const PATIENCE: Duration = Duration::from_secs(20);

/// A time to live that no check outlives.
const LONG: Duration = Duration::from_secs(600);

/// The store under test, with names that nobody else uses.
struct Subject {
    store: Arc<dyn RemoteStore>,
    prefix: String,
}

impl Subject {
    fn new(store: Arc<dyn RemoteStore>) -> Self {
        Self { store, prefix: format!("conformance:{:016x}", random()) }
    }

    fn name(&self, text: impl fmt::Display) -> String {
        format!("{}:n:{text}", self.prefix)
    }

    fn scope(&self, text: impl fmt::Display) -> String {
        format!("{}:s:{text}", self.prefix)
    }

    /// The outcome of an operation that has no reason to fail or to hang.
    async fn done<T>(&self, operation: &str, outcome: impl Future<Output = Result<T>>) -> T {
        match timeout(PATIENCE, outcome).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => panic!("{operation} failed: {error}"),
            Err(elapsed) => panic!("{operation} did not end within {PATIENCE:?}: {elapsed}"),
        }
    }

    async fn fetch(&self, name: &str, scopes: &[String], claim: Option<Claim<'_>>) -> Fetched {
        let found = self.done("fetch", self.store.fetch(name, scopes, claim)).await;
        let (asked, answered) = (scopes.len(), found.generations.len());
        assert_eq!(asked, answered, "fetch must answer one generation for each scope it is asked for");
        found
    }

    async fn value(&self, name: &str) -> Option<Vec<u8>> {
        self.fetch(name, &[], None).await.value
    }

    async fn generations(&self, scopes: &[String]) -> Vec<Generation> {
        self.fetch(&self.name("nothing"), scopes, None).await.generations
    }

    async fn fetch_many(&self, names: &[(String, Vec<String>)]) -> Vec<Fetched> {
        let found = self.done("fetch_many", self.store.fetch_many(names)).await;
        assert_eq!(found.len(), names.len(), "fetch_many must give one answer for each name");
        found
    }

    /// Claims the load of `name`, which must have no value, and returns the right to publish it.
    async fn claim(&self, name: &str, lease: Duration) -> Token {
        let token = token();
        let found = self.fetch(name, &[], Some(Claim::new(token, lease))).await;
        assert_eq!(found.value, None, "a fetch must not find a value where there is none");
        token
    }

    async fn publish(&self, name: &str, value: &[u8], token: Token) -> bool {
        let put = Put { name, scopes: &[], value, ttl: LONG };
        self.done("publish", self.store.publish(put, Expect::Lease(token))).await
    }

    async fn put(&self, name: &str, value: &[u8], ttl: Duration) {
        self.done("put_many", self.store.put_many(&[Put { name, scopes: &[], value, ttl }])).await;
    }

    async fn invalidate(&self, names: &[String], scopes: &[String]) {
        self.done("invalidate", self.store.invalidate(names, scopes, None)).await;
    }

    async fn abandon(&self, name: &str, token: Token) {
        self.done("abandon", self.store.abandon(name, token)).await;
    }

    async fn expire(&self, name: &str, ttl: Duration) -> bool {
        self.done("expire", self.store.expire(name, ttl)).await
    }

    /// Looks at `name` until `moment` has passed, and once more: what every look found.
    async fn watch(&self, name: &str, scopes: &[String], moment: Instant) -> Vec<Look> {
        let mut looks = Vec::new();
        loop {
            let began = Instant::now();
            looks.push(Look { late: began >= moment, found: self.fetch(name, scopes, None).await });
            if began >= moment {
                return looks;
            }
            // Bounded polling: the time to live of an entry passes by itself, on no clock of ours.
            sleep(Duration::from_millis(3)).await;
        }
    }
}

/// One look at a name.
struct Look {
    /// Whether it began after the moment that was waited for.
    late: bool,
    found: Fetched,
}

/// By how much the clocks of a store and of this process may round differently.
const ROUNDING: Duration = Duration::from_millis(5);

fn token() -> Token {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&random().to_le_bytes());
    bytes[8..].copy_from_slice(&random().to_le_bytes());
    Token(bytes)
}

fn random() -> u64 {
    RandomState::new().hash_one(0)
}

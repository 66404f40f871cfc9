//! `redis+cluster://`: the contract of a remote store on three primaries with replicas.

use std::sync::Arc;

use cache_core::store::RemoteStore as _;
use cache_core::store::conformance;
use tests::cluster::Cluster;
use tests::redis::patient;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_is_kept_by_a_cluster() {
    let cluster = Cluster::start().await;
    let store = patient(cluster.url());
    conformance::remote(Arc::new(store.clone())).await;
    let health = store.health().await.unwrap();
    let keys: u64 = cluster.nodes[..3].iter().map(|node| node.tell::<u64>(&["DBSIZE"])).sum();
    assert!(keys > 0 && health.keys == Some(keys), "{health:?}, and there are {keys}");
}

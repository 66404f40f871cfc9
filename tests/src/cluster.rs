//! A Redis cluster of six: three primaries, each with a replica, on free loopback ports.
//! What is asked of it is the tests' business.

use std::time::Duration;

use redis::{Cmd, Value};
use tokio::time::timeout;

use crate::eventually;
use crate::proxy::Proxy;
use crate::redis::Server;

/// Six servers that have found each other.
#[derive(Debug)]
pub struct Cluster {
    /// The first three were primaries at first, the fourth a replica of the first, and so on.
    pub nodes: Vec<Server>,
}

/// After how long the nodes give a failover up.
const GIVEN_UP: Duration = Duration::from_secs(6);

const PRIMARIES: usize = 3;
const SLOTS: usize = 16_384;

impl Cluster {
    /// A cluster in which every slot has a primary, and every primary a replica that has what it has.
    ///
    /// # Panics
    ///
    /// If `redis-server` is not installed, or the nodes do not come together.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A cluster whose nodes have further options, as on their command line.
    ///
    /// # Panics
    ///
    /// If `redis-server` is not installed, or the nodes do not come together.
    pub async fn start_with(options: &[&str]) -> Self {
        let nodes: Vec<Server> = (0..2 * PRIMARIES).map(|_| node(options)).collect();
        for (first, server) in nodes[..PRIMARIES].iter().enumerate() {
            let slot = |place: usize| (SLOTS * place / PRIMARIES).to_string();
            let last = SLOTS * (first + 1) / PRIMARIES - 1;
            server.tell::<()>(&["CLUSTER", "ADDSLOTSRANGE", &slot(first), &last.to_string()]);
            server.tell::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(first + 1).to_string()]);
        }
        for server in &nodes[1..] {
            let (port, bus) = (server.port().to_string(), server.bus().to_string());
            nodes[0].tell::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        let cluster = Self { nodes };
        eventually(async || {
            cluster.every(|info| info.contains("cluster_known_nodes:6"), &["CLUSTER", "INFO"])
        })
        .await;
        for (primary, replica) in (0..PRIMARIES).zip(PRIMARIES..) {
            let id = cluster.id(primary);
            cluster.nodes[replica].tell::<()>(&["CLUSTER", "REPLICATE", &id]);
        }
        cluster.settle().await;
        cluster
    }

    /// Waits until every slot has a primary, and every one of these a replica that has what it has.
    ///
    /// # Panics
    ///
    /// If that does not come.
    pub async fn settle(&self) {
        eventually(async || self.every(|info| info.contains("cluster_state:ok"), &["CLUSTER", "INFO"])).await;
        eventually(async || {
            self.every(
                |info| {
                    info.contains("connected_slaves:1\r\n") && info.contains("state=online")
                        || info.contains("master_link_status:up")
                },
                &["INFO", "replication"],
            )
        })
        .await;
        // Every node knows of every replica.
        eventually(async || {
            self.nodes.iter().all(|node| {
                let ranges: Vec<Vec<Value>> = node.tell(&["CLUSTER", "SLOTS"]);
                ranges.iter().all(|range| range.len() == 4)
            })
        })
        .await;
    }

    /// Puts a proxy before each node, in their order, and waits until all of them name only the proxies to clients.
    /// Who the [`holders`](Self::holders) of a key are must have been asked before.
    ///
    /// # Panics
    ///
    /// If that does not come.
    pub async fn behind_proxies(&self) -> Vec<Proxy> {
        let mut proxies = Vec::new();
        for node in &self.nodes {
            let proxy = Proxy::before(node.port()).await;
            node.tell::<()>(&["CONFIG", "SET", "cluster-announce-port", &proxy.port().to_string()]);
            proxies.push(proxy);
        }
        let is_proxy = |node: &Value| match node {
            Value::Array(node) => proxies.iter().any(|proxy| node[1] == Value::Int(proxy.port().into())),
            _ => false,
        };
        eventually(async || {
            self.nodes.iter().all(|node| {
                let ranges: Vec<Vec<Value>> = node.tell(&["CLUSTER", "SLOTS"]);
                ranges.iter().all(|range| range.len() == 4 && range[2..].iter().all(is_proxy))
            })
        })
        .await;
        proxies
    }

    /// Waits until every replica has what its primary has, to which nobody must write meanwhile.
    ///
    /// # Panics
    ///
    /// If that does not come.
    pub async fn replicate(&self) {
        let is_in_step = |info: &str| {
            let after = |mark: &str| info.split_once(mark).map(|(_, rest)| rest.split([',', '\r']).next());
            info.contains("role:slave") || after(",offset=") == after("master_repl_offset:")
        };
        eventually(async || self.every(is_in_step, &["INFO", "replication"])).await;
    }

    /// The URL, with every node.
    #[must_use]
    pub fn url(&self) -> String {
        let nodes: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    /// The name by which the others know the node at this place.
    ///
    /// # Panics
    ///
    /// If it is not running.
    #[must_use]
    pub fn id(&self, node: usize) -> String {
        self.nodes[node].tell(&["CLUSTER", "MYID"])
    }

    /// The places of the primary that has `key` and of its replicas, as the node at `asked` sees it.
    ///
    /// # Panics
    ///
    /// If that node is not running, or knows none.
    #[must_use]
    pub fn holders(&self, key: &str, asked: usize) -> Vec<usize> {
        let slot = self.slot(key);
        let ranges: Vec<Vec<Value>> = self.nodes[asked].tell(&["CLUSTER", "SLOTS"]);
        let is_in = |range: &Vec<Value>| matches!(range[..], [Value::Int(first), Value::Int(last), ..] if (first..=last).contains(&slot));
        let range = ranges.into_iter().find(is_in).expect("a range with the slot");
        let place = |node: Value| match node {
            Value::Array(node) => {
                self.nodes.iter().position(|known| node[1] == Value::Int(known.port().into()))
            }
            _ => None,
        };
        range.into_iter().skip(2).map(|node| place(node).expect("a node of ours")).collect()
    }

    /// Lets the replica of the primary that has `key` take its place, both being well.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub async fn fail_over(&self, key: &str) {
        let holders = self.holders(key, 0);
        let [_, replica] = holders[..] else { panic!("one replica of it, in {holders:?}") };
        let is_primary =
            || self.nodes[replica].tell::<String>(&["INFO", "replication"]).contains("role:master");
        // A busy replica may need longer than the nodes give each other; then they leave it at that.
        while !is_primary() {
            self.nodes[replica].tell::<()>(&["CLUSTER", "FAILOVER"]);
            let _ = timeout(GIVEN_UP, eventually(async || is_primary())).await;
        }
        self.settle().await;
    }

    /// Moves the slot of `key` to another primary, with all that is in it.
    ///
    /// # Panics
    ///
    /// If a node refuses.
    pub fn migrate(&self, key: &str, to: usize) {
        let from = self.holders(key, 0)[0];
        if from != to {
            self.send_keys(key, from, to);
            self.hand_over(key, from, to);
        }
    }

    /// Moves what is in the slot of `key` from its primary to another one, which does not get the slot itself.
    ///
    /// # Panics
    ///
    /// If a node refuses.
    pub fn send_keys(&self, key: &str, from: usize, to: usize) {
        let slot = self.slot(key).to_string();
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        target.tell::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &self.id(from)]);
        source.tell::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &self.id(to)]);
        loop {
            let keys: Vec<String> = source.tell(&["CLUSTER", "GETKEYSINSLOT", &slot, "2"]);
            if keys.is_empty() {
                break;
            }
            let mut command = Cmd::new();
            command.arg(&["MIGRATE", "127.0.0.1", &target.port().to_string(), "", "0", "5000", "KEYS"]);
            let _: String = source.ask(command.arg(keys));
        }
    }

    /// Gives the slot of `key`, whose keys are there already, to another primary.
    ///
    /// # Panics
    ///
    /// If a node refuses.
    pub fn hand_over(&self, key: &str, from: usize, to: usize) {
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let (slot, owner) = (self.slot(key).to_string(), self.id(to));
        target.tell::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &owner]);
        source.tell::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &owner]);
    }

    fn slot(&self, key: &str) -> i64 {
        self.nodes[0].tell(&["CLUSTER", "KEYSLOT", key])
    }

    /// Whether every node answers `command` with something that `holds`.
    fn every(&self, holds: impl Fn(&str) -> bool, command: &[&str]) -> bool {
        self.nodes.iter().all(|node| holds(&node.tell::<String>(command)))
    }
}

fn node(options: &[&str]) -> Server {
    let usual = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
    // A replica takes over however long ago it heard of its primary.
    let further = ["--cluster-replica-validity-factor", "0"];
    // Nobody is told of a replica before it has heard something: left to itself, a primary says so every ten seconds.
    let talkative = ["--repl-ping-replica-period", "1"];
    Server::start_with(&[&usual[..], &further, &talkative, options].concat())
}

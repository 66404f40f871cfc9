//! A small TCP proxy that stands between a store and its server, counts, and makes trouble when told to.
//! It understands nothing of what passes through it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A proxy on a free loopback port, for as long as the value and its runtime live.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
}

/// What becomes of what the server answers.
#[derive(Clone, Debug, Default)]
pub enum Replies {
    /// It passes through.
    #[default]
    Pass,
    /// It passes through after this time.
    Late(Duration),
    /// It disappears, and the connection stays open.
    Swallow,
    /// It is replaced with these bytes.
    Replace(Vec<u8>),
}

#[derive(Debug)]
struct Shared {
    upstream: u16,
    connections: AtomicU64,
    round_trips: AtomicU64,
    bytes: AtomicU64,
    replies: watch::Sender<Replies>,
    cuts: watch::Sender<u64>,
}

impl Proxy {
    /// Starts a proxy before the server on port `upstream` of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn before(upstream: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            upstream,
            connections: AtomicU64::default(),
            round_trips: AtomicU64::default(),
            bytes: AtomicU64::default(),
            replies: watch::Sender::default(),
            cuts: watch::Sender::default(),
        });
        let acceptor = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { port, shared, acceptor }
    }

    /// The URL under which a store reaches the server through the proxy.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// How many connections were made to it.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How often a client spoke after the server had: the round trips, if nothing runs at the same time.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Ordering::SeqCst)
    }

    /// How many bytes clients sent.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.shared.bytes.load(Ordering::SeqCst)
    }

    /// From now on, what becomes of answers.
    pub fn replies(&self, replies: Replies) {
        self.shared.replies.send_replace(replies);
    }

    /// Closes every connection there is; new ones are taken.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.acceptor.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(carry(client, Arc::clone(&shared)));
    }
}

async fn carry(mut client: TcpStream, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, shared.upstream));
    let Ok(mut server) = TcpStream::connect(address).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let answered = AtomicBool::new(true);
    let requests = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            shared.bytes.fetch_add(read as u64, Ordering::SeqCst);
            if answered.swap(false, Ordering::SeqCst) {
                shared.round_trips.fetch_add(1, Ordering::SeqCst);
            }
            if to_server.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    let replies = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            answered.store(true, Ordering::SeqCst);
            let mode = shared.replies.borrow().clone();
            let sent = match mode {
                Replies::Pass => to_client.write_all(&buffer[..read]).await,
                Replies::Late(delay) => {
                    tokio::time::sleep(delay).await;
                    to_client.write_all(&buffer[..read]).await
                }
                Replies::Swallow => Ok(()),
                Replies::Replace(bytes) => to_client.write_all(&bytes).await,
            };
            if sent.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = requests => {}
        () = replies => {}
        _ = cuts.changed() => {}
    }
}

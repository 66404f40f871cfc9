//! A small TCP proxy that stands between a store and its server, counts, and makes trouble when told to.
//! It understands nothing of what passes through it, but for the names of commands, which it counts.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::commands::Commands;

/// A proxy on a free loopback port, for as long as the value and its runtime live.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
}

/// What becomes of what passes in one direction.
#[derive(Clone, Debug, Default)]
pub enum Fault {
    /// It passes through.
    #[default]
    Pass,
    /// It passes through after this time.
    Late(Duration),
    /// It disappears, and the connection stays open.
    Swallow,
    /// The next piece of it disappears; what comes after passes through.
    SwallowOne,
    /// It is replaced with these bytes.
    Replace(Vec<u8>),
    /// One bit of the byte at this place of each piece is flipped, counted from its end if negative.
    Flip(isize),
    /// This many bytes of the next piece pass through, and then the connection is closed.
    CutAfter(usize),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    /// As when the other side has closed it.
    #[default]
    Close,
    /// As when the other side knows nothing of it.
    Reset,
    /// Not at all: it stays open, and nothing passes any more.
    Vanish,
}

#[derive(Debug)]
struct Shared {
    upstream: AtomicU16,
    connections: AtomicU64,
    round_trips: AtomicU64,
    bytes: AtomicU64,
    commands: Mutex<BTreeMap<String, u64>>,
    requests: watch::Sender<Fault>,
    replies: watch::Sender<Fault>,
    ends: watch::Sender<End>,
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
            upstream: AtomicU16::new(upstream),
            connections: AtomicU64::default(),
            round_trips: AtomicU64::default(),
            bytes: AtomicU64::default(),
            commands: Mutex::default(),
            requests: watch::Sender::default(),
            replies: watch::Sender::default(),
            ends: watch::Sender::default(),
        });
        let acceptor = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { port, shared, acceptor }
    }

    /// The URL under which a store reaches the server through the proxy.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its own port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
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

    /// How often clients sent each command, by its name in capitals.
    #[must_use]
    pub fn commands(&self) -> BTreeMap<String, u64> {
        self.shared.commands.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on, what becomes of requests.
    pub fn requests(&self, fault: Fault) {
        self.shared.requests.send_replace(fault);
    }

    /// From now on, what becomes of answers.
    pub fn replies(&self, fault: Fault) {
        self.shared.replies.send_replace(fault);
    }

    /// From now on everything passes through.
    pub fn heal(&self) {
        self.requests(Fault::Pass);
        self.replies(Fault::Pass);
    }

    /// From now on new connections lead to the server on port `upstream`.
    pub fn lead_to(&self, upstream: u16) {
        self.shared.upstream.store(upstream, Ordering::SeqCst);
    }

    /// Closes every connection there is; new ones are taken.
    pub fn cut(&self) {
        self.shared.ends.send_replace(End::Close);
    }

    /// Leaves every connection there is half open: nothing passes any more, and nobody is told. New ones are taken.
    pub fn vanish(&self) {
        self.shared.ends.send_replace(End::Vanish);
    }

    /// Resets every connection there is; new ones are taken.
    pub fn reset(&self) {
        self.shared.ends.send_replace(End::Reset);
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
    let mut ends = shared.ends.subscribe();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, shared.upstream.load(Ordering::SeqCst)));
    let Ok(mut server) = TcpStream::connect(address).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let answered = AtomicBool::new(true);
    let commands = Mutex::new(Commands::default());
    let asked = |piece: &[u8]| {
        shared.bytes.fetch_add(piece.len() as u64, Ordering::SeqCst);
        let mut commands = commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.count(piece, &mut shared.commands.lock().unwrap_or_else(PoisonError::into_inner));
        if answered.swap(false, Ordering::SeqCst) {
            shared.round_trips.fetch_add(1, Ordering::SeqCst);
        }
    };
    let told = |_: &[u8]| answered.store(true, Ordering::SeqCst);
    let end = tokio::select! {
        () = pass(from_client, to_server, &shared.requests, asked) => End::Close,
        () = pass(from_server, to_client, &shared.replies, told) => End::Close,
        _ = ends.changed() => *ends.borrow(),
    };
    match end {
        End::Close => {}
        End::Reset => {
            let _ = client.set_zero_linger();
        }
        End::Vanish => {
            let _ = ends.changed().await;
        }
    }
}

/// Carries bytes one way until an end closes or a fault says so.
async fn pass(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    fault: &watch::Sender<Fault>,
    seen: impl Fn(&[u8]),
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        seen(&buffer[..read]);
        let piece = &mut buffer[..read];
        let now = fault.borrow().clone();
        let sent = match now {
            Fault::Pass => to.write_all(piece).await,
            Fault::Late(delay) => {
                tokio::time::sleep(delay).await;
                to.write_all(piece).await
            }
            Fault::Swallow => Ok(()),
            Fault::SwallowOne => {
                fault.send_replace(Fault::Pass);
                Ok(())
            }
            Fault::Replace(bytes) => to.write_all(&bytes).await,
            Fault::Flip(place) => {
                let length = isize::try_from(read).unwrap_or(isize::MAX);
                let place = if place < 0 { length + place } else { place };
                if let Some(byte) = usize::try_from(place).ok().and_then(|place| piece.get_mut(place)) {
                    *byte ^= 1;
                }
                to.write_all(piece).await
            }
            Fault::CutAfter(bytes) => {
                fault.send_replace(Fault::Pass);
                let _ = to.write_all(&piece[..bytes.min(read)]).await;
                let _ = to.flush().await;
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

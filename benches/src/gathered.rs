//! Reads that are gathered into one `MGET`, with the generations of a cache's scopes among them and nothing done with these:
//! what is left to a cache on Redis by the client library, and by a connection written for this alone.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};
use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

/// Reads that leave together, at most.
const MOST: usize = 64;

/// Read beside every `MGET`, as the scopes of the keys are.
const SCOPES: [&str; 2] = ["gathered:everything", "gathered:users"];

/// A way to read, shared by many callers.
#[derive(Clone, Debug)]
pub struct Gathered(mpsc::UnboundedSender<Read>);

#[derive(Debug)]
struct Read {
    name: String,
    answer: oneshot::Sender<Bytes>,
}

impl Gathered {
    /// Over a connection of the client library. Needs a runtime around it, in which it stays.
    #[must_use]
    pub fn over(connection: MultiplexedConnection) -> Self {
        let (sender, mut reads) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut due = Vec::new();
            while reads.recv_many(&mut due, MOST).await > 0 {
                tokio::spawn(ask(connection.clone(), std::mem::take(&mut due)));
            }
        });
        Self(sender)
    }

    /// Over a connection that knows nothing but `MGET`. Needs a runtime around it, in which it stays.
    ///
    /// # Panics
    ///
    /// If `address` is not that of a server.
    pub async fn by_hand(address: &str) -> Self {
        let socket = TcpStream::connect(address).await.expect("a server");
        socket.set_nodelay(true).expect("a TCP socket");
        let (sender, reads) = mpsc::unbounded_channel();
        tokio::spawn(multiplex(socket, reads));
        Self(sender)
    }

    /// The value under `name`.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn get(&self, name: String) -> Bytes {
        let (answer, value) = oneshot::channel();
        self.0.send(Read { name, answer }).expect("a connection");
        value.await.expect("an answer")
    }
}

async fn ask(mut connection: MultiplexedConnection, due: Vec<Read>) {
    let mut command = redis::cmd("MGET");
    for read in &due {
        command.arg(&read.name);
    }
    command.arg(&SCOPES);
    let Ok(Value::Array(held)) = connection.send_packed_command(&command).await else { return };
    for (Read { answer, .. }, value) in due.into_iter().zip(held) {
        if let Value::BulkString(value) = value {
            let _ = answer.send(value.into());
        }
    }
}

async fn multiplex(mut socket: TcpStream, mut reads: mpsc::UnboundedReceiver<Read>) {
    let (mut from, mut to) = socket.split();
    let (mut due, mut waiting) = (Vec::new(), VecDeque::new());
    let (mut question, mut answers) = (Vec::new(), BytesMut::with_capacity(1 << 20));
    loop {
        tokio::select! {
            count = reads.recv_many(&mut due, MOST) => {
                if count == 0 {
                    return;
                }
                question.clear();
                question.extend_from_slice(format!("*{}\r\n$4\r\nMGET\r\n", 1 + count + SCOPES.len()).as_bytes());
                for name in due.iter().map(|read| read.name.as_str()).chain(SCOPES) {
                    question.push(b'$');
                    question.extend_from_slice(itoa::Buffer::new().format(name.len()).as_bytes());
                    question.extend_from_slice(b"\r\n");
                    question.extend_from_slice(name.as_bytes());
                    question.extend_from_slice(b"\r\n");
                }
                waiting.push_back(std::mem::take(&mut due));
                to.write_all(&question).await.expect("a server");
            }
            read = from.read_buf(&mut answers) => {
                read.expect("a server");
                while let Some(length) = length_of(&answers) {
                    let mut answer = answers.split_to(length).freeze();
                    number(&mut answer);
                    for Read { answer: caller, .. } in waiting.pop_front().into_iter().flatten() {
                        let length = number(&mut answer).expect("a value is there");
                        let _ = caller.send(answer.split_to(length));
                        answer.advance(2);
                    }
                }
            }
        }
    }
}

/// The bytes of the answer at the beginning of `bytes`, if it is there to its end.
fn length_of(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    for _ in 0..line(&mut rest)?.unwrap_or(0) {
        if let Some(length) = line(&mut rest)? {
            rest = rest.get(length + 2..)?;
        }
    }
    Some(bytes.len() - rest.len())
}

/// The number on the next line, if that is there; nothing in it if it is negative.
#[expect(clippy::option_option, reason = "no line, or no number")]
fn line(rest: &mut &[u8]) -> Option<Option<usize>> {
    let end = rest.iter().position(|byte| *byte == b'\r').filter(|end| *end + 1 < rest.len())?;
    let number = std::str::from_utf8(&rest[1..end]).ok().and_then(|digits| digits.parse().ok());
    *rest = &rest[end + 2..];
    Some(number)
}

/// The number on the next line, which is taken away.
fn number(bytes: &mut Bytes) -> Option<usize> {
    let mut rest: &[u8] = bytes;
    let number = line(&mut rest)?;
    let left = rest.len();
    bytes.advance(bytes.len() - left);
    number
}

//! Logs: what was appended is read once, in its order and without a gap, and nobody takes a log for whole that is not.
//! A store without logs keeps these promises by saying so.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{LONG, PATIENCE, Subject, token};
use crate::error::ErrorKind;
use crate::store::{Append, News, Position, Reader};

/// Whether there are logs at all.
async fn has_logs(subject: &Subject) -> bool {
    let log = subject.name("log of nobody");
    match timeout(PATIENCE, subject.store.news(&log, None, reader())).await {
        Ok(Err(error)) if error.kind() == ErrorKind::Unsupported => false,
        Ok(outcome) => {
            outcome.unwrap_or_else(|error| panic!("news failed: {error}"));
            true
        }
        Err(elapsed) => panic!("news did not end within {PATIENCE:?}: {elapsed}"),
    }
}

fn reader() -> Reader {
    Reader { name: token(), trusts_for: LONG }
}

fn record(number: u64) -> Vec<u8> {
    [b"record \0\xff ", &number.to_le_bytes()[..]].concat()
}

impl Subject {
    async fn append(&self, log: &str, numbers: std::ops::RangeInclusive<u64>) -> Position {
        let records: Vec<_> = numbers.map(record).collect();
        let append = Append { log, records: &records, replicas: 0 };
        let appended = self.done("invalidate", self.store.invalidate(&[], &[], Some(append))).await;
        appended.unwrap_or_else(|| panic!("a store with logs must say where a record is"))
    }

    async fn news(&self, log: &str, after: Option<Position>, reader: Reader) -> News {
        self.done("news", self.store.news(log, after, reader)).await
    }

    /// Reads on until there is no more: the numbers of the records.
    async fn read_on(&self, log: &str, mut after: Position, reader: Reader) -> Vec<u64> {
        let mut numbers = Vec::new();
        loop {
            let News { end, records } = self.news(log, Some(after), reader).await;
            assert_eq!(end.epoch, after.epoch, "an epoch must not end while nothing happens to the log");
            for (number, bytes) in records {
                assert_eq!(bytes, record(number), "a record must come back byte for byte");
                numbers.push(number);
                after.sequence = number;
            }
            if after == end {
                return numbers;
            }
        }
    }
}

pub(super) async fn records_come_in_their_order_without_a_gap(subject: &Subject) {
    if !has_logs(subject).await {
        return;
    }
    let (log, other) = (subject.name("log"), subject.name("other log"));
    let News { end: begin, records } = subject.news(&log, None, reader()).await;
    assert_eq!((begin.sequence, records.len()), (0, 0), "a new log must have no record");
    let first = subject.append(&log, 1..=1).await;
    assert_eq!(first, Position { sequence: 1, ..begin }, "an invalidation must answer its position");
    assert_eq!(subject.append(&log, 2..=600).await.sequence, 600, "several records each have a number");
    subject.append(&other, 1..=1).await;
    for number in 601..=620 {
        subject.append(&log, number..=number).await;
    }
    let all: Vec<u64> = (1..=620).collect();
    assert_eq!(subject.read_on(&log, begin, reader()).await, all, "every record must come once, in order");
    assert_eq!(subject.read_on(&log, first, reader()).await, all[1..], "only later ones must come");

    let News { end, records } = subject.news(&log, None, reader()).await;
    assert_eq!((end.sequence, records.len()), (620, 0), "who is new must be told the end alone");
    let elsewhere = Position { epoch: [1; 16], sequence: 3 };
    let News { end: again, records } = subject.news(&log, Some(elsewhere), reader()).await;
    assert_eq!((again, records.len()), (end, 0), "a position of another epoch must be told the end alone");
}

pub(super) async fn a_record_is_there_with_what_it_tells_of(subject: &Subject) {
    if !has_logs(subject).await {
        return;
    }
    let (log, name, scopes) = (subject.name("log"), subject.name("told"), [subject.scope("told")]);
    subject.put(&name, b"value", LONG).await;
    let generations = subject.generations(&scopes).await;
    let after = subject.news(&log, None, reader()).await.end;
    let append = Append { log: &log, records: &[record(after.sequence + 1)], replicas: 0 };
    subject
        .done("invalidate", subject.store.invalidate(std::slice::from_ref(&name), &scopes, Some(append)))
        .await;
    assert_eq!(subject.value(&name).await, None, "an invalidation with a record must remove its names");
    assert_ne!(subject.generations(&scopes).await, generations, "and move its scopes");
    assert_eq!(subject.read_on(&log, after, reader()).await, [after.sequence + 1]);
}

pub(super) async fn waiting_ends_with_a_record_or_its_limit(subject: &Subject) {
    if !has_logs(subject).await {
        return;
    }
    let log = subject.name("awaited log");
    let after = subject.append(&log, 1..=1).await;
    let limit = Duration::from_millis(100);
    let began = Instant::now();
    subject.done("await_news", subject.store.await_news(&log, after, limit)).await;
    assert!(began.elapsed() >= limit / 2, "waiting must not end while there is no record");

    let (store, name, began) = (Arc::clone(&subject.store), log.clone(), Instant::now());
    let waiting = tokio::spawn(async move { store.await_news(&name, after, PATIENCE / 2).await });
    subject.append(&log, 2..=2).await;
    let ended = async { waiting.await.unwrap_or_else(|error| panic!("waiting must not panic: {error}")) };
    subject.done("await_news", ended).await;
    assert!(began.elapsed() < PATIENCE / 2, "waiting must end with a record");
    let earlier = Position { sequence: 1, ..after };
    subject.done("await_news", subject.store.await_news(&log, earlier, PATIENCE / 2)).await;
    assert!(began.elapsed() < PATIENCE / 2, "waiting must end at once where there is a record");
}

pub(super) async fn a_record_is_heard_when_every_reader_has_asked_for_more(subject: &Subject) {
    if !has_logs(subject).await {
        return;
    }
    let log = subject.name("heard log");
    let heard_within = async |position, trusted| {
        subject.done("is_heard", subject.store.is_heard(&log, position, trusted)).await
    };
    let heard = async |position| heard_within(position, Duration::ZERO).await;
    let (one, two) = (reader(), Reader { trusts_for: Duration::from_millis(50), ..reader() });
    let before = subject.news(&log, None, one).await.end;
    assert!(heard(before).await, "who begins at the end has nothing to do");
    let position = subject.append(&log, 1..=1).await;
    assert!(!heard(position).await, "a reader must be waited for from its beginning on");
    subject.news(&log, Some(before), one).await;
    assert!(!heard(position).await, "a reader that has asked for a record may not have applied it");
    subject.news(&log, None, one).await;
    assert!(
        !heard(position).await,
        "a question from before a reader knew the log may arrive late, and tells nothing"
    );
    subject.news(&log, Some(before), two).await;
    subject.news(&log, Some(position), one).await;
    let began = Instant::now();
    while !heard(position).await {
        assert!(began.elapsed() < PATIENCE, "a reader must be forgotten when it trusts no more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!heard_within(before, LONG).await, "there may be readers of the epoch before");
    let elsewhere = Position { epoch: [1; 16], sequence: 9 };
    let heard = timeout(PATIENCE, subject.store.is_heard(&log, elsewhere, Duration::ZERO)).await;
    let unknown = matches!(heard, Ok(Err(error)) if error.kind() == ErrorKind::Unsupported);
    assert!(unknown, "of another epoch it must not be said that it is heard, or that it is not");
}

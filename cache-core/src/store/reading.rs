//! A read that a remote store was asked for, by whichever way its answer comes.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Generation;
use crate::error::Result;

/// What a [glance](super::RemoteStore::glance) has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glimpse {
    /// The bytes under the name.
    pub value: Vec<u8>,
    /// The generation of each scope that was asked for, in their order. Who was answered together may share them.
    pub generations: Arc<[Generation]>,
}

/// The answer to one [glance](super::RemoteStore::glance), as a future.
///
/// A store that answers reads together keeps what it needs of them in one place; then a reading is a number, and takes
/// no memory of its own while hundreds wait.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Mutex, PoisonError};
/// use std::task::{Context, Poll};
///
/// use cache_core::Result;
/// use cache_core::store::{Glimpse, Reading, Readings};
///
/// /// Answers that have come, in the order of their questions.
/// struct Answers(Mutex<Vec<Option<Glimpse>>>);
///
/// impl Readings for Answers {
///     fn poll_answer(&self, number: usize, _: &mut Context<'_>) -> Poll<Result<Option<Glimpse>>> {
///         let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
///         Poll::Ready(Ok(answers.get_mut(number).and_then(Option::take)))
///     }
/// }
///
/// # async fn run() -> Result<()> {
/// let found = |text: &str| Some(Glimpse { value: text.into(), generations: Arc::default() });
/// let answers = Arc::new(Answers(Mutex::new(vec![found("one"), found("two")])));
/// let second = Reading::among(answers.clone(), 1);
/// let alone = Reading::alone(async { Ok(None) });
/// assert_eq!(second.await?, found("two"));
/// assert_eq!(alone.await?, None);
/// # Ok(()) }
/// ```
#[must_use = "a reading does nothing unless polled"]
pub struct Reading<'s>(Source<'s>);

enum Source<'s> {
    Alone(Pin<Box<dyn Future<Output = Result<Option<Glimpse>>> + Send + 's>>),
    Among(Arc<dyn Readings>, usize),
}

/// Reads that are answered together.
pub trait Readings: Send + Sync {
    /// The answer to the read with this number, once: nobody asks again who has it.
    ///
    /// Until it is there, the task of the last who has asked for this one is woken when it comes.
    fn poll_answer(&self, number: usize, context: &mut Context<'_>) -> Poll<Result<Option<Glimpse>>>;
}

impl<'s> Reading<'s> {
    /// A read that is answered by `answer`.
    pub fn alone(answer: impl Future<Output = Result<Option<Glimpse>>> + Send + 's) -> Self {
        Self(Source::Alone(Box::pin(answer)))
    }

    /// The read with this number among others.
    pub fn among(readings: Arc<dyn Readings>, number: usize) -> Self {
        Self(Source::Among(readings, number))
    }
}

impl Future for Reading<'_> {
    type Output = Result<Option<Glimpse>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Source::Alone(answer) => answer.as_mut().poll(context),
            Source::Among(readings, number) => readings.poll_answer(*number, context),
        }
    }
}

impl fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading")
    }
}

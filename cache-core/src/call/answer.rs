//! The answer to a miss, as the future that its caller waits for. How it is come by is not decided here.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// An answer that is at hand, or looked for by `G`, or sought by `W`, or made by the load `L`.
///
/// Only what is waited for takes memory of its own, and who waits for another's load has none for a load.
pub struct Answer<O, G, W, L>(State<O, G, W, L>);

enum State<O, G, W, L> {
    /// Nothing, once it was given.
    AtHand(Option<O>),
    Glanced(Pin<Box<G>>),
    Sought(Pin<Box<W>>),
    Loaded(Pin<Box<L>>),
}

impl<O, G, W, L> Answer<O, G, W, L> {
    pub(super) fn at_hand(output: O) -> Self {
        Self(State::AtHand(Some(output)))
    }

    pub(super) fn glanced(by: G) -> Self {
        Self(State::Glanced(Box::pin(by)))
    }

    pub(super) fn sought(by: W) -> Self {
        Self(State::Sought(Box::pin(by)))
    }

    pub(super) fn loaded(by: L) -> Self {
        Self(State::Loaded(Box::pin(by)))
    }
}

/// Nothing in it is pinned in place.
impl<O, G, W, L> Unpin for Answer<O, G, W, L> {}

impl<O, G, W, L> Future for Answer<O, G, W, L>
where
    G: Future<Output = O>,
    W: Future<Output = O>,
    L: Future<Output = O>,
{
    type Output = O;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O> {
        match &mut self.0 {
            // Whoever asks again after the end waits for ever.
            State::AtHand(output) => output.take().map_or(Poll::Pending, Poll::Ready),
            State::Glanced(looks) => looks.as_mut().poll(context),
            State::Sought(seeks) => seeks.as_mut().poll(context),
            State::Loaded(loads) => loads.as_mut().poll(context),
        }
    }
}

impl<O, G, W, L> fmt::Debug for Answer<O, G, W, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

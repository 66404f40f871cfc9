//! Several futures at once, where they are: no task, and no order but the one in which they are begun.

use std::future::poll_fn;
use std::task::Poll;

/// What each of `futures` comes to, in their order. They are polled in it: what they send first leaves in it, too.
pub(crate) async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> =
        futures.into_iter().map(|future| (Box::pin(future), None::<F::Output>)).collect();
    poll_fn(|context| {
        for (future, outcome) in waiting.iter_mut().filter(|(_, outcome)| outcome.is_none()) {
            if let Poll::Ready(ended) = future.as_mut().poll(context) {
                *outcome = Some(ended);
            }
        }
        if waiting.iter().all(|(_, outcome)| outcome.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|(_, outcome)| outcome).collect()
}

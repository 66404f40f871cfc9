//! Rows one by one, of a statement that may change something.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use cache_core::private::Invalidation;
use futures_util::Stream;
use sea_orm::{DbErr, QueryResult};

/// The rows of a statement. What it changes is invalidated when they end, or nobody wants more of them.
pub struct TrackedStream<S> {
    rows: Pin<Box<S>>,
    owed: Option<Invalidation>,
}

impl<S> TrackedStream<S> {
    pub(crate) fn new(rows: S, owed: Option<Invalidation>) -> Self {
        Self { rows: Box::pin(rows), owed }
    }
}

impl<S: Stream<Item = Result<QueryResult, DbErr>>> Stream for TrackedStream<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let row = self.rows.as_mut().poll_next(context);
        if matches!(row, Poll::Ready(None)) {
            // Armed since before the statement: it invalidates as it is dropped. Nothing of it is on its way any more.
            if let Some(mut owed) = self.owed.take() {
                owed.settle(Duration::ZERO);
            }
        }
        row
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

impl<S> fmt::Debug for TrackedStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackedStream").field("changes", &self.owed.is_some()).finish_non_exhaustive()
    }
}

//! What of a bulk function's return value is stored: each of its values, under the key of its id.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

use super::{Okay, Shape, SharedError, Sharing, Whole};

/// Values by id, as a bulk function returns them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no collection of values by id",
    label = "not a `HashMap`",
    note = "a function with `each` returns `HashMap<Id, Value>`, or a `Result` of one"
)]
pub trait Batch: Sized {
    /// What a value is found by.
    type Id;
    /// One value.
    type Item;

    /// No values.
    fn empty() -> Self;
    /// The value of `id`.
    fn item(&self, id: &Self::Id) -> Option<&Self::Item>;
    /// Adds a value.
    fn put(&mut self, id: Self::Id, item: Self::Item);
    /// Adds the values of another.
    fn join(&mut self, other: Self);
}

impl<K: Eq + Hash, V, H: BuildHasher + Default> Batch for HashMap<K, V, H> {
    type Id = K;
    type Item = V;

    fn empty() -> Self {
        Self::default()
    }

    fn item(&self, id: &K) -> Option<&V> {
        self.get(id)
    }

    fn put(&mut self, id: K, item: V) {
        self.insert(id, item);
    }

    fn join(&mut self, other: Self) {
        self.extend(other);
    }
}

/// What is stored of a bulk function's output: each of its values.
#[derive(Clone, Copy, Debug)]
pub struct Each<S>(S);

/// The shape of a bulk function, from that of its output.
pub fn each<S: Shape<Value: Batch>>(shape: S) -> Each<S> {
    Each(shape)
}

impl<S: Shape<Value: Batch>> Shape for Each<S> {
    type Output = S::Output;
    type Value = <S::Value as Batch>::Item;
    type Error = S::Error;

    fn value<'o>(&self, _: &'o S::Output) -> Option<&'o Self::Value> {
        None
    }

    fn error<'o>(&self, output: &'o S::Output) -> Option<&'o S::Error> {
        self.0.error(output)
    }

    fn output(&self, _: Option<Self::Value>) -> Option<S::Output> {
        None
    }

    fn failed(&self, error: &SharedError) -> Option<S::Output> {
        self.0.failed(error)
    }

    fn share_error(&self, output: &S::Output) -> Option<SharedError> {
        self.0.share_error(output)
    }
}

/// A shape whose output is taken apart.
pub trait Bulk: Shape {
    /// The values.
    type Batch: Batch<Item = Self::Value>;

    /// The values in `output`.
    fn into_batch(self, output: Self::Output) -> Option<Self::Batch>;
    /// The output of these values.
    fn of_batch(self, batch: Self::Batch) -> Self::Output;
}

impl<B: Batch> Bulk for Each<Whole<B>> {
    type Batch = B;

    fn into_batch(self, output: B) -> Option<B> {
        Some(output)
    }

    fn of_batch(self, batch: B) -> B {
        batch
    }
}

impl<B: Batch, E, C: Sharing<E>> Bulk for Each<Okay<B, E, C>> {
    type Batch = B;

    fn into_batch(self, output: Result<B, E>) -> Option<B> {
        output.ok()
    }

    fn of_batch(self, batch: B) -> Result<B, E> {
        Ok(batch)
    }
}

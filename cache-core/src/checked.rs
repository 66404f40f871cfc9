//! One error for one mistake: what the runtime demands of a user's types, asked once, where an expansion can show it.
//!
//! Nothing here does anything while a program runs. Each of these functions hides its bound from what comes after it,
//! so that a type which does not meet it is reported here and nowhere else.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec::{Local, Serde, Wire};
use crate::error::{Error, Result};
use crate::global::{AsCache, Global};
use crate::shape::{Shape, SharedError};

/// A value that can be stored wherever the cache keeps it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in a cache",
    label = "not `Clone`, or not `Serialize + DeserializeOwned`, or not `Send + Sync + 'static`",
    note = "derive `Clone`, `serde::Serialize` and `serde::Deserialize`; or write `local`, if the value need not leave \
            this process and is `Clone + Send + Sync + 'static`",
    note = "what is not `Clone` can be returned in an `Arc`"
)]
pub trait Storable {}

#[diagnostic::do_not_recommend]
impl<V: Clone + Send + Sync + 'static> Storable for V where Serde: Wire<V> {}

/// A value that can be kept in the process.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in a cache",
    label = "not `Clone`, or not `Send + Sync + 'static`",
    note = "derive `Clone`, or return it in an `Arc`; what is not `Send + Sync`, such as an `Rc`, cannot be shared by the \
            callers of a cached function"
)]
pub trait Keepable {}

#[diagnostic::do_not_recommend]
impl<V: Clone + Send + Sync + 'static> Keepable for V {}

/// A shape whose value is about to be asked for.
pub struct Storing<S, W> {
    shape: S,
    wire: PhantomData<fn() -> W>,
}

/// Asks whether what `shape` stores can be stored: `(&storing(shape, wire)).checked()`.
#[inline]
pub fn storing<S: Shape, W>(shape: S, _wire: W) -> Storing<S, W> {
    Storing { shape, wire: PhantomData }
}

/// It can: the shape itself.
pub trait CheckStorable {
    /// The shape.
    type Shape: Shape;

    /// Returns it.
    fn checked(&self) -> Self::Shape;
}

impl<W: Wire<S::Value>, S: Shape<Value: Keepable>> CheckStorable for Storing<S, W> {
    type Shape = S;

    #[inline]
    fn checked(&self) -> S {
        self.shape
    }
}

/// It cannot: the one error, and a shape with which everything else compiles.
pub trait CheckUnstorable {
    /// The shape.
    type Shape: Shape;

    /// Returns what stands for it.
    fn checked(&self) -> Unstorable<Self::Shape>
    where
        <Self::Shape as Shape>::Value: Storable;
}

impl<S: Shape> CheckUnstorable for &Storing<S, Serde> {
    type Shape = S;

    fn checked(&self) -> Unstorable<S>
    where
        S::Value: Storable,
    {
        Unstorable(self.shape)
    }
}

/// The same for a value that stays in the process.
pub trait CheckUnkeepable {
    /// The shape.
    type Shape: Shape;

    /// Returns what stands for it.
    fn checked(&self) -> Unstorable<Self::Shape>
    where
        <Self::Shape as Shape>::Value: Keepable;
}

impl<S: Shape> CheckUnkeepable for &Storing<S, Local> {
    type Shape = S;

    fn checked(&self) -> Unstorable<S>
    where
        S::Value: Keepable,
    {
        Unstorable(self.shape)
    }
}

/// A shape that stores nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unstorable<S>(S);

impl<S: Shape> Shape for Unstorable<S> {
    type Output = S::Output;
    type Value = Never<S::Value>;
    type Error = S::Error;

    fn value<'o>(&self, _: &'o S::Output) -> Option<&'o Never<S::Value>> {
        None
    }

    fn error<'o>(&self, output: &'o S::Output) -> Option<&'o S::Error> {
        self.0.error(output)
    }

    fn output(&self, _: Option<Never<S::Value>>) -> Option<S::Output> {
        None
    }

    fn failed(&self, _: &SharedError) -> Option<S::Output> {
        None
    }

    fn share_error(&self, _: &S::Output) -> Option<SharedError> {
        None
    }
}

/// A value that is never there, with everything that can be asked of one, and with the fields of `V`.
pub struct Never<V>(Infallible, PhantomData<fn() -> V>);

impl<V> Clone for Never<V> {
    fn clone(&self) -> Self {
        match self.0 {}
    }
}

impl<V> Deref for Never<V> {
    type Target = V;

    fn deref(&self) -> &V {
        match self.0 {}
    }
}

impl<V> Serialize for Never<V> {
    fn serialize<S: Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
        match self.0 {}
    }
}

impl<'de, V> Deserialize<'de> for Never<V> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> std::result::Result<Self, D::Error> {
        Err(serde::de::Error::custom("there is no such value"))
    }
}

/// Something that is about to be asked whether it is a cache.
#[derive(Debug)]
pub struct Caching<'c, C: ?Sized>(&'c C);

/// Asks whether `cache` is one: `(&caching(cache)).cache()`.
#[inline]
pub fn caching<C: ?Sized>(cache: &C) -> Caching<'_, C> {
    Caching(cache)
}

/// It is: the cache itself.
pub trait CheckCache<'c> {
    /// The cache.
    type Cache: AsCache + ?Sized;

    /// Returns it.
    fn cache(&self) -> &'c Self::Cache;
}

impl<'c, C: AsCache + ?Sized> CheckCache<'c> for Caching<'c, C> {
    type Cache = C;

    #[inline]
    fn cache(&self) -> &'c C {
        self.0
    }
}

/// It is none: the one error, and a cache with which everything else compiles.
pub trait CheckNoCache {
    /// What is none.
    type Wrong: ?Sized;

    /// Returns what stands for it.
    fn cache(&self) -> &'static Global
    where
        Self::Wrong: AsCache;
}

impl<C: ?Sized> CheckNoCache for &Caching<'_, C> {
    type Wrong = C;

    fn cache(&self) -> &'static Global
    where
        C: AsCache,
    {
        &Global
    }
}

/// An expression where an attribute takes a time.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no time",
    label = "expected `Duration`",
    note = "write `Duration::from_secs(…)` around a number of seconds, or the time itself as in `300` or `\"5m\"`"
)]
pub trait Time {
    /// The time.
    fn duration(self) -> Duration;
}

impl Time for Duration {
    #[inline]
    fn duration(self) -> Duration {
        self
    }
}

/// A time that is computed.
#[inline]
pub fn duration(time: impl Time) -> Duration {
    time.duration()
}

/// An output into which an error of the cache can be put.
#[diagnostic::on_unimplemented(
    message = "`strict` cannot return a cache's error as `{Self}`",
    label = "not a `Result<_, E>` with `E: From<larder::Error>`",
    note = "return such a `Result`, or remove `strict`: the invalidation is then kept until the store is back"
)]
pub trait Strict: Sized {
    /// Itself, or the error where there was one.
    fn acknowledged(self, acknowledged: Result<()>) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T, E: From<Error>> Strict for std::result::Result<T, E> {
    fn acknowledged(self, acknowledged: Result<()>) -> Self {
        let value = self?;
        acknowledged?;
        Ok(value)
    }
}

/// The function's output, or its error if the invalidation was not acknowledged.
pub fn strict<R: Strict>(output: R, acknowledged: Result<()>) -> R {
    output.acknowledged(acknowledged)
}

impl<S, W> fmt::Debug for Storing<S, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Storing")
    }
}

impl<V> fmt::Debug for Never<V> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

/// An argument of which a refresh in the background can have a copy of its own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be copied for a refresh in the background",
    label = "not `Clone`, or not `Send`",
    note = "`stale` and `early` load again after the call has returned, with copies of its arguments: derive `Clone`, or \
            take it in an `Arc`"
)]
pub trait Copyable {}

#[diagnostic::do_not_recommend]
impl<T: ToOwned<Owned: Clone + Send> + ?Sized> Copyable for T {}

/// An argument that is about to be copied.
#[derive(Debug)]
pub struct Argument<'a, T: ?Sized>(&'a T);

/// Asks whether an argument can be copied, and copies it: `(&argument(it)).duplicate()`.
#[inline]
pub fn argument<T: ?Sized>(argument: &T) -> Argument<'_, T> {
    Argument(argument)
}

/// It can: a copy that outlives the call.
pub trait CheckCopyable {
    /// What it is copied into.
    type Owned;

    /// Copies it.
    fn duplicate(&self) -> Copied<Self::Owned>;
}

impl<T: ToOwned<Owned: Clone + Send> + ?Sized> CheckCopyable for Argument<'_, T> {
    type Owned = T::Owned;

    #[inline]
    fn duplicate(&self) -> Copied<T::Owned> {
        Copied(self.0.to_owned())
    }
}

/// It cannot: the one error, and what stands for the copy.
pub trait CheckUncopyable {
    /// What should have been copied.
    type Argument: ?Sized;

    /// Returns what stands for the copy.
    fn duplicate(&self) -> Uncopied<Self::Argument>
    where
        Self::Argument: Copyable;
}

impl<T: ?Sized> CheckUncopyable for &Argument<'_, T> {
    type Argument = T;

    fn duplicate(&self) -> Uncopied<T>
    where
        T: Copyable,
    {
        // Nobody runs what does not compile.
        std::process::abort()
    }
}

/// A copy of an argument.
#[derive(Clone, Debug)]
pub struct Copied<O>(O);

impl<O> Copied<O> {
    /// As the argument that was borrowed.
    #[inline]
    pub fn lend<T: ?Sized>(&self) -> &T
    where
        O: Borrow<T>,
    {
        self.0.borrow()
    }

    /// As the argument that was given away.
    #[inline]
    pub fn give(self) -> O {
        self.0
    }
}

/// Stands for a copy that there cannot be.
#[derive(Debug)]
pub struct Uncopied<T: ?Sized>(Infallible, PhantomData<fn() -> Box<T>>);

impl<T: ?Sized> Clone for Uncopied<T> {
    fn clone(&self) -> Self {
        match self.0 {}
    }
}

impl<T: ?Sized> Uncopied<T> {
    /// As the argument that was borrowed.
    #[must_use]
    pub fn lend(&self) -> &T {
        match self.0 {}
    }

    /// As the argument that was given away.
    #[must_use]
    pub fn give(self) -> T
    where
        T: Sized,
    {
        match self.0 {}
    }
}

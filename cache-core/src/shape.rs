//! What of a return value is stored, decided by its type and so right through aliases.
//!
//! `T` is stored whole, of `Result<T, E>` only `Ok`, of `Option<T>` only `Some`, of `Result<Option<T>, E>`
//! only `Ok(Some)`. [`Probe`] picks the shape: its `shape()` methods sit at different depths of references,
//! and the deepest whose bounds hold wins.

mod each;

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

pub use each::{Batch, Bulk, Each, each};

/// An error that several callers of one load receive.
pub(crate) type SharedError = Arc<dyn Any + Send + Sync>;

/// How a function's output and the stored value are made from each other.
pub trait Shape: Copy {
    /// What the function returns.
    type Output;
    /// What is stored of it.
    type Value;
    /// What it fails with.
    type Error;

    /// The part of `output` that is worth storing.
    fn value<'o>(&self, output: &'o Self::Output) -> Option<&'o Self::Value>;

    /// The error in `output`.
    fn error<'o>(&self, output: &'o Self::Output) -> Option<&'o Self::Error>;

    /// Whether the function did what it was called for: anything but `Err`.
    fn succeeded(&self, output: &Self::Output) -> bool {
        self.error(output).is_none()
    }

    /// The output for a stored value, or for a remembered `None`; nothing if this type knows no `None`.
    fn output(&self, value: Option<Self::Value>) -> Option<Self::Output>;

    /// The output that failed with `error`, where the error can be handed to several callers.
    fn failed(&self, error: &SharedError) -> Option<Self::Output>;

    /// The error in `output` in a form that several callers can receive, if its type allows that.
    fn share_error(&self, output: &Self::Output) -> Option<SharedError>;
}

/// The name of the type that `shape` stores.
pub fn value_type_name<S: Shape>(_shape: S) -> &'static str {
    std::any::type_name::<S::Value>()
}

/// Whether an error can be given to every caller of a load.
pub trait Sharing<E>: 'static {
    /// A shared copy.
    fn share(error: &E) -> Option<SharedError>;
    /// A copy of a shared error.
    fn unshare(error: &SharedError) -> Option<E>;
}

/// The error type is `Clone`: every waiter gets a copy.
#[derive(Debug)]
pub enum Copies {}

/// The error type is not `Clone`: a waiter has to try for itself.
#[derive(Debug)]
pub enum Single {}

impl<E: Clone + Send + Sync + 'static> Sharing<E> for Copies {
    fn share(error: &E) -> Option<SharedError> {
        Some(Arc::new(error.clone()))
    }

    fn unshare(error: &SharedError) -> Option<E> {
        error.downcast_ref().cloned()
    }
}

impl<E> Sharing<E> for Single {
    fn share(_: &E) -> Option<SharedError> {
        None
    }

    fn unshare(_: &SharedError) -> Option<E> {
        None
    }
}

/// Finds the [`Shape`] of `R`: `(&&&&&&Probe::<R>::new()).shape()`.
pub struct Probe<R>(PhantomData<fn() -> R>);

impl<R> Probe<R> {
    /// A probe of the type `R`.
    #[must_use]
    pub fn new() -> Self {
        Self(PhantomData)
    }

    /// A probe of the type that is written as that of no values.
    #[must_use]
    pub fn like(_none: &[R; 0]) -> Self {
        Self::new()
    }

    /// A probe of the type of `output`.
    #[must_use]
    pub fn of(_output: &R) -> Self {
        Self::new()
    }
}

impl<R> Default for Probe<R> {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! shapes {
    ($($(#[$doc:meta])* $shape:ident<$($parameter:ident),+>;)*) => {$(
        $(#[$doc])*
        pub struct $shape<$($parameter),+>(PhantomData<fn() -> ($($parameter,)+)>);

        impl<$($parameter),+> Default for $shape<$($parameter),+> {
            fn default() -> Self {
                Self(PhantomData)
            }
        }

        impl<$($parameter),+> Clone for $shape<$($parameter),+> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$($parameter),+> Copy for $shape<$($parameter),+> {}

        impl<$($parameter),+> fmt::Debug for $shape<$($parameter),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($shape))
            }
        }
    )*};
}

shapes! {
    /// `T`, stored whole.
    Whole<T>;
    /// `Option<T>`: `Some` is stored.
    Present<T>;
    /// `Result<T, E>`: `Ok` is stored.
    Okay<T, E, S>;
    /// `Result<Option<T>, E>`: `Ok(Some)` is stored.
    OkayPresent<T, E, S>;
}

impl<R> fmt::Debug for Probe<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}

impl<T> Shape for Whole<T> {
    type Output = T;
    type Value = T;
    type Error = Infallible;

    fn value<'o>(&self, output: &'o T) -> Option<&'o T> {
        Some(output)
    }

    fn error<'o>(&self, _: &'o T) -> Option<&'o Infallible> {
        None
    }

    #[inline]
    fn output(&self, value: Option<T>) -> Option<T> {
        value
    }

    fn failed(&self, _: &SharedError) -> Option<T> {
        None
    }

    fn share_error(&self, _: &T) -> Option<SharedError> {
        None
    }
}

impl<T> Shape for Present<T> {
    type Output = Option<T>;
    type Value = T;
    type Error = Infallible;

    fn value<'o>(&self, output: &'o Option<T>) -> Option<&'o T> {
        output.as_ref()
    }

    fn error<'o>(&self, _: &'o Option<T>) -> Option<&'o Infallible> {
        None
    }

    #[inline]
    fn output(&self, value: Option<T>) -> Option<Option<T>> {
        Some(value)
    }

    fn failed(&self, _: &SharedError) -> Option<Option<T>> {
        None
    }

    fn share_error(&self, _: &Option<T>) -> Option<SharedError> {
        None
    }
}

impl<T, E, S: Sharing<E>> Shape for Okay<T, E, S> {
    type Output = Result<T, E>;
    type Value = T;
    type Error = E;

    fn value<'o>(&self, output: &'o Result<T, E>) -> Option<&'o T> {
        output.as_ref().ok()
    }

    fn error<'o>(&self, output: &'o Result<T, E>) -> Option<&'o E> {
        output.as_ref().err()
    }

    #[inline]
    fn output(&self, value: Option<T>) -> Option<Result<T, E>> {
        value.map(Ok)
    }

    fn failed(&self, error: &SharedError) -> Option<Result<T, E>> {
        S::unshare(error).map(Err)
    }

    fn share_error(&self, output: &Result<T, E>) -> Option<SharedError> {
        output.as_ref().err().and_then(S::share)
    }
}

impl<T, E, S: Sharing<E>> Shape for OkayPresent<T, E, S> {
    type Output = Result<Option<T>, E>;
    type Value = T;
    type Error = E;

    fn value<'o>(&self, output: &'o Result<Option<T>, E>) -> Option<&'o T> {
        output.as_ref().ok()?.as_ref()
    }

    fn error<'o>(&self, output: &'o Result<Option<T>, E>) -> Option<&'o E> {
        output.as_ref().err()
    }

    #[inline]
    fn output(&self, value: Option<T>) -> Option<Result<Option<T>, E>> {
        Some(Ok(value))
    }

    fn failed(&self, error: &SharedError) -> Option<Result<Option<T>, E>> {
        S::unshare(error).map(Err)
    }

    fn share_error(&self, output: &Result<Option<T>, E>) -> Option<SharedError> {
        output.as_ref().err().and_then(S::share)
    }
}

macro_rules! ladder {
    ($($rung:ident: [$($generics:tt)*] $probe:ty => $shape:ty;)*) => {$(
        /// One rung of the ladder that [`Probe`] describes.
        pub trait $rung {
            /// The shape found here.
            type Shape: Shape;
            /// Picks it.
            fn shape(&self) -> Self::Shape;
        }

        impl<$($generics)*> $rung for $probe {
            type Shape = $shape;

            fn shape(&self) -> $shape {
                <$shape>::default()
            }
        }
    )*};
}

ladder! {
    ProbeOkayPresentCopies: [T, E: Clone + Send + Sync + 'static] &&&&&Probe<Result<Option<T>, E>> => OkayPresent<T, E, Copies>;
    ProbeOkayPresent: [T, E] &&&&Probe<Result<Option<T>, E>> => OkayPresent<T, E, Single>;
    ProbeOkayCopies: [T, E: Clone + Send + Sync + 'static] &&&Probe<Result<T, E>> => Okay<T, E, Copies>;
    ProbeOkay: [T, E] &&Probe<Result<T, E>> => Okay<T, E, Single>;
    ProbePresent: [T] &Probe<Option<T>> => Present<T>;
    ProbeWhole: [T] Probe<T> => Whole<T>;
}

#[cfg(test)]
#[expect(clippy::needless_borrow, reason = "the depth of references is how a shape is found")]
mod tests {
    use super::*;

    type Maybe<T> = Option<T>;
    type Fallible<T> = std::io::Result<T>;

    macro_rules! shape_of {
        ($output:ty) => {
            format!("{:?}", (&&&&&&Probe::<$output>::new()).shape())
        };
    }

    #[test]
    fn the_type_decides_and_aliases_do_not_matter() {
        assert_eq!(shape_of!(String), "Whole");
        assert_eq!(shape_of!(Maybe<u8>), "Present");
        assert_eq!(shape_of!(Fallible<u8>), "Okay");
        assert_eq!(shape_of!(Fallible<Maybe<u8>>), "OkayPresent");
        assert_eq!(shape_of!(Result<Vec<u8>, String>), "Okay");
        assert_eq!(shape_of!(Option<Result<u8, String>>), "Present");
    }

    #[test]
    fn an_error_is_shared_iff_it_can_be_cloned() {
        let copies = (&&&&&&Probe::<Result<u8, String>>::new()).shape();
        let shared = copies.share_error(&Err("no".to_owned())).expect("a String is Clone");
        assert_eq!(copies.failed(&shared), Some(Err("no".to_owned())));

        let single = (&&&&&&Probe::<Fallible<Maybe<u8>>>::new()).shape();
        assert!(single.share_error(&Err(std::io::Error::other("no"))).is_none());
    }

    #[test]
    fn a_generic_function_finds_the_shape_of_its_output() {
        fn shape<T: Clone, E>() -> String {
            shape_of!(Result<Option<T>, E>)
        }
        assert_eq!(shape::<u8, std::io::Error>(), "OkayPresent");
    }
}

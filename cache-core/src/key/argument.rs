//! What may be given for an argument of a typed key or pattern.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use super::{KeyPart, KeyWriter};

/// A value given for an argument of type `T`: a `T`, or something that holds one.
#[diagnostic::on_unimplemented(
    message = "expected `{T}` for this argument of the key, found `{Self}`",
    label = "expected `{T}`"
)]
pub trait KeyArgument<T: ?Sized> {
    /// The value.
    fn argument(&self) -> &T;
}

macro_rules! holders {
    ($([$($generics:tt)*] $holder:ty => $target:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($generics)*> KeyArgument<$target> for $holder {
            fn argument(&self) -> &$target {
                self
            }
        }
    )*};
}

holders! {
    [T] T => T;
    [T: ?Sized] &T => T;
    [T: ?Sized] &&T => T;
    [T: ?Sized] Box<T> => T;
    [T: ?Sized] &Box<T> => T;
    [T: ?Sized] Arc<T> => T;
    [T: ?Sized] &Arc<T> => T;
    [T: ?Sized] Rc<T> => T;
    [T: ?Sized] &Rc<T> => T;
    [] String => str;
    [] &String => str;
    [] &&String => str;
    [T] Vec<T> => [T];
    [T] &Vec<T> => [T];
    [T, const N: usize] [T; N] => [T];
    [B: ToOwned + ?Sized] Cow<'_, B> => B;
    [B: ToOwned + ?Sized] &Cow<'_, B> => B;
}

#[diagnostic::do_not_recommend]
impl<T, const N: usize> KeyArgument<[T]> for &[T; N] {
    fn argument(&self) -> &[T] {
        *self
    }
}

/// Any key part, apart from everything else that a pattern can be given.
///
/// It knows how to write its value, so it is a part whatever `T` is: a type that is none is reported by [`part`] alone.
#[derive(Debug)]
pub struct Part<'v, T: ?Sized> {
    value: &'v T,
    write: fn(&T, &mut KeyWriter),
}

/// `value` as an argument of generic type.
#[inline]
pub fn part<T: KeyPart + ?Sized>(value: &T) -> Part<'_, T> {
    Part { value, write: T::write }
}

impl<T: ?Sized> KeyPart for Part<'_, T> {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        (self.write)(self.value, key);
    }
}

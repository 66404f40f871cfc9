//! Which types may stand in a key, and the text each of them writes.
//!
//! One rule holds for all: different values write different text, and brackets come in pairs, so that
//! composites stay unambiguous whatever their parts are.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;

use super::{KeyWriter, digest};

/// A value that can be part of a key.
///
/// Implemented for integers, `bool`, `char`, strings, `Option`, tuples, slices, arrays and `Vec`, for
/// references, `Box`, `Arc` and `Cow` of those, `NonZero`, IP addresses, and by `#[derive(KeyPart)]`. With the features `uuid`,
/// `chrono` and `time`, for the ids, dates and times of these crates.
/// Not for floats (`NaN` differs from itself) and not for hash maps and sets (their order is not
/// stable): write `<argument:hash>` for those.
///
/// # Contract for implementors
///
/// Different values write different text. Every character comes from [`KeyWriter::escaped`],
/// [`KeyWriter::group`] or another `KeyPart`; a literal only where it can be told from them.
///
/// # Examples
///
/// ```
/// use cache_core::{Key, KeyPart};
///
/// let text = |part: &dyn KeyPart| Key::build(|key| part.write(key)).to_string();
/// assert_eq!(text(&42_u64), "42");
/// assert_eq!(text(&"a:b"), "a%3Ab");
/// assert_eq!(text(&None::<u64>), "<none>");
/// assert_eq!(text(&(1, "x")), "(1)(x)");
/// assert_eq!(text(&vec![1, 2]), "[1][2]");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a cache key",
    label = "no `KeyPart` for `{Self}`",
    note = "derive it with `#[derive(larder::KeyPart)]`, write `<argument:hash>` for any `Serialize` value, \
            or leave the argument out of the key with `skip(argument)`",
    note = "floats and hash maps are not key parts: `NaN` differs from itself and a hash map has no stable order; \
            ids and times of `uuid`, `chrono` and `time` are, with the feature of that name"
)]
pub trait KeyPart {
    /// Writes the text of this value.
    fn write(&self, key: &mut KeyWriter);
}

macro_rules! integers {
    ($($integer:ident)*) => {$(
        impl KeyPart for $integer {
            #[inline]
            fn write(&self, key: &mut KeyWriter) {
                key.push(itoa::Buffer::new().format(*self).as_bytes());
            }
        }

        impl KeyPart for NonZero<$integer> {
            #[inline]
            fn write(&self, key: &mut KeyWriter) {
                self.get().write(key);
            }
        }
    )*};
}

integers! { i8 u8 i16 u16 i32 u32 i64 u64 i128 u128 isize usize }

impl KeyPart for bool {
    fn write(&self, key: &mut KeyWriter) {
        key.push(if *self { b"true" } else { b"false" });
    }
}

impl KeyPart for char {
    fn write(&self, key: &mut KeyWriter) {
        key.escaped(self.encode_utf8(&mut [0; 4]));
    }
}

impl KeyPart for str {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.escaped(self);
    }
}

impl KeyPart for String {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.escaped(self);
    }
}

impl KeyPart for () {
    fn write(&self, _: &mut KeyWriter) {}
}

/// `None` is `<none>`; `Some` is the text of its value, in parentheses where that text is empty or could
/// be taken for a marker, so that `None`, `Some(None)`, `Some("")` and `""` all differ.
impl<T: KeyPart> KeyPart for Option<T> {
    fn write(&self, key: &mut KeyWriter) {
        let Some(value) = self else { return key.push(b"<none>") };
        let start = key.as_bytes().len();
        value.write(key);
        if matches!(key.as_bytes().get(start), None | Some(b'<' | b'(')) {
            key.wrap_from(start);
        }
    }
}

/// Each element in brackets: nothing, one empty element and two empty elements differ.
impl<T: KeyPart> KeyPart for [T] {
    fn write(&self, key: &mut KeyWriter) {
        for element in self {
            key.push(b"[");
            element.write(key);
            key.push(b"]");
        }
    }
}

impl<T: KeyPart, const N: usize> KeyPart for [T; N] {
    fn write(&self, key: &mut KeyWriter) {
        self.as_slice().write(key);
    }
}

impl<T: KeyPart> KeyPart for Vec<T> {
    fn write(&self, key: &mut KeyWriter) {
        self.as_slice().write(key);
    }
}

macro_rules! pointers {
    ($($(#[$attribute:meta])* [$($generics:tt)*] $pointer:ty;)*) => {$(
        $(#[$attribute])*
        impl<$($generics)*> KeyPart for $pointer {
            #[inline]
            fn write(&self, key: &mut KeyWriter) {
                (**self).write(key);
            }
        }
    )*};
}

pointers! {
    #[diagnostic::do_not_recommend] [T: KeyPart + ?Sized] &T;
    #[diagnostic::do_not_recommend] [T: KeyPart + ?Sized] &mut T;
    [T: KeyPart + ?Sized] Box<T>;
    [T: KeyPart + ?Sized] Arc<T>;
    [T: KeyPart + ?Sized] Rc<T>;
    [T: KeyPart + ToOwned + ?Sized] Cow<'_, T>;
}

macro_rules! tuples {
    ($(($($part:ident $index:tt)+))*) => {$(
        impl<$($part: KeyPart),+> KeyPart for ($($part,)+) {
            fn write(&self, key: &mut KeyWriter) {
                $(key.group(&self.$index);)+
            }
        }
    )*};
}

tuples! {
    (A 0)
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
    (A 0 B 1 C 2 D 3 E 4)
    (A 0 B 1 C 2 D 3 E 4 F 5)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
}

macro_rules! displayed {
    ($($address:ty)*) => {$(
        impl KeyPart for $address {
            fn write(&self, key: &mut KeyWriter) {
                key.escaped(&self.to_string());
            }
        }
    )*};
}

displayed! { IpAddr Ipv4Addr Ipv6Addr SocketAddr }

/// A value for `<argument:hash>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be hashed into a cache key",
    label = "not `Serialize`, which `:hash` reads",
    note = "derive `serde::Serialize`; or derive `larder::KeyPart` and write the placeholder without `:hash`"
)]
pub trait Hashed: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Hashed for T {}

/// A value for `<argument:lower>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no text to write in lower case",
    label = "not `AsRef<str>`, which `:lower` reads",
    note = "write the placeholder without `:lower`"
)]
pub trait Lowered: AsRef<str> {}

#[diagnostic::do_not_recommend]
impl<T: AsRef<str> + ?Sized> Lowered for T {}

/// Writes what `<argument:hash>` stands for: 128 bits of BLAKE3 over the canonical JSON of `value`.
///
/// Map keys are sorted, so a `HashMap` has one digest. As everywhere in JSON, a float that is not finite
/// reads as `null`. A value that JSON cannot hold makes the key unusable: the call bypasses the cache.
pub fn write_hash(value: &(impl Hashed + ?Sized), key: &mut KeyWriter) {
    match serde_json::to_value(value) {
        Ok(value) => {
            let mut canonical = Vec::new();
            write_canonical(&value, &mut canonical);
            key.push(digest(&canonical).as_bytes());
        }
        Err(error) => key.fail(&error),
    }
}

/// Writes what `<argument:lower>` stands for: the lower-case text of `value`.
pub fn write_lower(value: &(impl Lowered + ?Sized), key: &mut KeyWriter) {
    key.escaped(&value.as_ref().to_lowercase());
}

/// Writes `value` without spaces and with sorted keys, whatever order its maps have: that order depends
/// on a feature of `serde_json` that any crate in the build can turn on.
fn write_canonical(value: &serde_json::Value, out: &mut Vec<u8>) {
    use serde_json::Value;

    match value {
        Value::Array(elements) => {
            out.push(b'[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_canonical(element, out);
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            out.push(b'{');
            for (index, (name, field)) in fields.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_scalar(&Value::String(name.clone()), out);
                out.push(b':');
                write_canonical(field, out);
            }
            out.push(b'}');
        }
        scalar => write_scalar(scalar, out),
    }
}

fn write_scalar(scalar: &serde_json::Value, out: &mut Vec<u8>) {
    out.extend_from_slice(scalar.to_string().as_bytes());
}

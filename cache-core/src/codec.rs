//! How live values become bytes and come back.
//!
//! The envelope around the bytes, and every check of it, is in `envelope`.

use std::any::{Any, type_name};
use std::fmt;
use std::io;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::entry::{Entry, Until};
use crate::error::{Error, ErrorKind, Result};
use crate::scope::Stamp;

/// The format in which values travel to a remote store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// JSON: readable in any Redis viewer.
    #[default]
    Json,
    /// `MessagePack`, with the names of fields: smaller and faster than JSON. Cargo feature `msgpack`.
    #[cfg(feature = "msgpack")]
    MessagePack,
}

impl Codec {
    pub(crate) const fn id(self) -> u8 {
        match self {
            Self::Json => 0,
            #[cfg(feature = "msgpack")]
            Self::MessagePack => 1,
        }
    }

    pub(crate) const fn from_id(id: u8) -> Option<Self> {
        match id {
            0 => Some(Self::Json),
            #[cfg(feature = "msgpack")]
            1 => Some(Self::MessagePack),
            _ => None,
        }
    }

    /// The format of this name; an error says what is allowed.
    pub(crate) fn named(name: &str) -> Result<Self, &'static str> {
        match name {
            "json" => Ok(Self::Json),
            #[cfg(feature = "msgpack")]
            "msgpack" => Ok(Self::MessagePack),
            #[cfg(not(feature = "msgpack"))]
            "msgpack" => Err("`json`, or turn on the Cargo feature `msgpack` of `larder`"),
            _ => Err("`json` or `msgpack`"),
        }
    }
}

/// How values of one type are stored: which functions turn them into bytes, if any do.
pub trait Wire<V>: Copy {
    /// The functions, without the type.
    const TYPED: &'static Typed;
}

/// The value crosses the border of the process: it is serialised where there is a remote store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Serde;

/// The value never leaves the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

/// What the runtime needs to know of a value's type, once the type is gone.
pub struct Typed {
    pub(crate) name: fn() -> &'static str,
    pub(crate) is: fn(&Entry) -> bool,
    pub(crate) weigh: fn(&dyn Any) -> usize,
    pub(crate) bytes: Option<Bytes>,
}

impl Typed {
    /// For questions about an entry that its value does not matter to.
    pub(crate) const ANY: &'static Self = &Self {
        name: || "any",
        is: |_| true,
        weigh: |_| 0,
        bytes: Some(Bytes {
            encode: |_, _| Err(unencodable::<()>("as it has no type")),
            decode: |_, _, stamp, until| Ok(Arc::new(Entry::new((), stamp, until, 0))),
            value: |_, _, _| Ok(()),
        }),
    };
}

/// To bytes and back.
#[derive(Clone, Copy)]
pub(crate) struct Bytes {
    pub(crate) encode: fn(&dyn Any, Codec) -> Result<Vec<u8>>,
    pub(crate) decode: Decode,
    pub(crate) value: DecodeValue,
}

/// Decodes a value straight into its entry.
type Decode = fn(&[u8], Codec, Arc<Stamp>, Until) -> Result<Arc<Entry>>;

/// Decodes a value into an `Option` of its type.
type DecodeValue = fn(&[u8], Codec, &mut dyn Any) -> Result<()>;

impl<V> Wire<V> for Serde
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    const TYPED: &'static Typed = &Typed {
        name: type_name::<V>,
        is: is::<V>,
        weigh: weigh::<V>,
        bytes: Some(Bytes { encode: encode::<V>, decode: decode::<V>, value: decode_value::<V> }),
    };
}

impl<V: Send + Sync + 'static> Wire<V> for Local {
    const TYPED: &'static Typed =
        &Typed { name: type_name::<V>, is: is::<V>, weigh: |_| size_of::<V>(), bytes: None };
}

fn is<V: 'static>(entry: &Entry) -> bool {
    entry.value::<V>().is_some()
}

fn encode<V: Serialize + 'static>(value: &dyn Any, codec: Codec) -> Result<Vec<u8>> {
    let value = value.downcast_ref::<V>().ok_or_else(|| unencodable::<V>("it is of another type"))?;
    match codec {
        Codec::Json => serde_json::to_vec(value).map_err(|error| unencodable::<V>("").with_source(error)),
        // With names: without them, fields that have changed places would be taken for each other.
        #[cfg(feature = "msgpack")]
        Codec::MessagePack => {
            rmp_serde::to_vec_named(value).map_err(|error| unencodable::<V>("").with_source(error))
        }
    }
}

fn decode<V>(bytes: &[u8], codec: Codec, stamp: Arc<Stamp>, until: Until) -> Result<Arc<Entry>>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    Ok(Arc::new(Entry::new(decoded::<V>(bytes, codec)?, stamp, until, size_of::<V>() + bytes.len())))
}

fn decode_value<V: DeserializeOwned + 'static>(bytes: &[u8], codec: Codec, into: &mut dyn Any) -> Result<()> {
    if let Some(into) = into.downcast_mut::<Option<V>>() {
        *into = Some(decoded(bytes, codec)?);
    }
    Ok(())
}

fn decoded<V: DeserializeOwned>(bytes: &[u8], codec: Codec) -> Result<V> {
    match codec {
        // Looked through for UTF-8 once, and not text by text.
        Codec::Json => match str::from_utf8(bytes) {
            Ok(text) => serde_json::from_str(text).map_err(undecodable),
            Err(error) => Err(undecodable(error)),
        },
        #[cfg(feature = "msgpack")]
        Codec::MessagePack => rmp_serde::from_slice(bytes).map_err(undecodable),
    }
}

/// The value itself, and the size of its JSON for what it owns: rather more than it occupies than less, without
/// asking every type for it.
fn weigh<V: Serialize + 'static>(value: &dyn Any) -> usize {
    struct Count(usize);

    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    if let Some(value) = value.downcast_ref::<V>()
        && serde_json::to_writer(&mut count, value).is_err()
    {
        // What does not serialise is not known any better.
        count.0 = 0;
    }
    size_of::<V>() + count.0
}

fn undecodable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Protocol, "a stored value does not decode").with_source(error)
}

fn unencodable<V>(why: &str) -> Error {
    Error::new(
        ErrorKind::Encode,
        format!("a value of type `{}` cannot be serialised {why}", type_name::<V>()),
    )
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Typed").field(&(self.name)()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;

    #[test]
    fn a_value_weighs_no_less_than_it_and_what_it_owns() {
        let text = "x".repeat(100);
        assert!(weigh::<String>(&text) >= size_of::<String>() + 100);
        assert!(weigh::<u64>(&7_u64) >= 8);
        assert_eq!(
            (<Local as Wire<String>>::TYPED.weigh)(&text),
            size_of::<String>(),
            "nothing else is known"
        );
        let entry = decode::<String>(
            b"\"seven\"",
            Codec::Json,
            Arc::new(stamp()),
            Until { fresh: Moment::from_nanos(1), trusted: Moment::from_nanos(1) },
        );
        assert!(entry.is_ok_and(|entry| entry.weight() >= 29));
    }

    fn stamp() -> Stamp {
        crate::scope::Scopes::new().stamp(&"text".into(), &[])
    }
}

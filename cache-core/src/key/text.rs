//! The text of an owned key: in place while it is short, shared while it is not.
//! Knows nothing of hashes.

use std::sync::Arc;

use super::{MAX_KEY_LEN, digested};

/// Bytes kept in place: with its length and the tag of the variant a text takes three words.
const SHORT: usize = 22;

/// A text, and what is stored in its place if it is too long.
#[derive(Clone)]
pub(super) enum Text {
    Short { len: u8, bytes: [u8; SHORT] },
    Shared(Arc<str>),
    Digested(Arc<Digested>),
}

pub(super) struct Digested {
    /// What patterns are matched against.
    whole: Box<str>,
    stored: Box<str>,
}

impl Text {
    /// Of the bytes of a text: only text is ever written into a key, so nothing is lost.
    pub(super) fn new(text: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match (u8::try_from(text.len()), bytes.get_mut(..text.len())) {
            (Ok(len), Some(room)) => {
                room.copy_from_slice(text);
                Self::Short { len, bytes }
            }
            _ => Self::long(&String::from_utf8_lossy(text)),
        }
    }

    fn long(text: &str) -> Self {
        if text.len() <= MAX_KEY_LEN {
            return Self::Shared(text.into());
        }
        Self::Digested(Arc::new(Digested { whole: text.into(), stored: digested(text).into() }))
    }

    /// All of the text.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Shared(text) => text.as_bytes(),
            Self::Digested(digested) => digested.whole.as_bytes(),
        }
    }

    pub(super) fn whole(&self) -> &str {
        match self {
            // It was text when it was copied here.
            Self::Short { .. } => str::from_utf8(self.bytes()).unwrap_or_default(),
            Self::Shared(text) => text,
            Self::Digested(digested) => &digested.whole,
        }
    }

    /// The bytes of what is stored.
    pub(super) fn stored_bytes(&self) -> &[u8] {
        match self {
            Self::Digested(digested) => digested.stored.as_bytes(),
            _ => self.bytes(),
        }
    }

    /// What is stored: the whole text, or its digest.
    pub(super) fn stored(&self) -> &str {
        match self {
            Self::Digested(digested) => &digested.stored,
            _ => self.whole(),
        }
    }
}

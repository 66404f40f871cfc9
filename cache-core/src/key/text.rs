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
    pub(super) fn new(text: &str) -> Self {
        let mut bytes = [0; SHORT];
        match (u8::try_from(text.len()), bytes.get_mut(..text.len())) {
            (Ok(len), Some(room)) => {
                room.copy_from_slice(text.as_bytes());
                Self::Short { len, bytes }
            }
            _ if text.len() <= MAX_KEY_LEN => Self::Shared(text.into()),
            _ => {
                let digested = Digested { whole: text.into(), stored: digested(text).into() };
                Self::Digested(Arc::new(digested))
            }
        }
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

    /// What is stored: the whole text, or its digest.
    pub(super) fn stored(&self) -> &str {
        match self {
            Self::Digested(digested) => &digested.stored,
            _ => self.whole(),
        }
    }
}

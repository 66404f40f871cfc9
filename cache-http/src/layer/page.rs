//! What is kept of a response, and its form on the way to a remote store.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::key::{self, Selection};

/// What is kept under the key of a page.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kept {
    Page(Page),
    /// That there was a response which is not for others: who asks is not to wait for somebody else's.
    Uncacheable,
}

/// A response that is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Page {
    #[serde(serialize_with = "write_status", deserialize_with = "read_status")]
    pub(super) status: StatusCode,
    #[serde(serialize_with = "write_headers", deserialize_with = "read_headers")]
    pub(super) headers: HeaderMap,
    #[serde(serialize_with = "write_octets", deserialize_with = "read_body")]
    pub(super) body: Bytes,
    /// When it was complete: milliseconds since 1970.
    pub(super) made: u64,
    /// Milliseconds that it had been in other caches by then.
    pub(super) age: u64,
    /// Milliseconds from then that it is fresh; that it is an answer while it is refreshed; that it is a better answer than
    /// an error. The last two count from the end of the first.
    pub(super) fresh: u64,
    pub(super) stale_while: u64,
    pub(super) stale_if_error: u64,
    /// The headers of the request that it was made for, as far as it depends on them.
    pub(super) vary: Selection,
}

impl Page {
    /// Whether it is the answer to `request`, which has found it under its key.
    pub(super) fn suits(&self, request: &Parts) -> bool {
        self.vary.iter().all(|(name, value)| key::value_of(&request.headers, name) == *value)
    }

    /// What the page's `Vary` selects by, as `request` has it.
    pub(super) fn selection_of(&self, request: &Parts) -> Selection {
        self.vary.iter().map(|(name, _)| (name.clone(), key::value_of(&request.headers, name))).collect()
    }

    /// The page as a response without a body, as `http-cache-semantics` wants it.
    pub(super) fn head(&self) -> Response<()> {
        let mut head = Response::new(());
        *head.status_mut() = self.status;
        self.headers.clone_into(head.headers_mut());
        head
    }
}

/// Bytes that are text wherever they can be: readable in any viewer of a store.
#[derive(Serialize, Deserialize)]
enum Readable {
    #[serde(rename = "text")]
    Text(String),
    #[serde(rename = "base64")]
    Base64(String),
}

/// Bytes in a format that has bytes.
struct Octets(Vec<u8>);

fn write_octets<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    if !serializer.is_human_readable() {
        return serializer.serialize_bytes(bytes);
    }
    let readable = match std::str::from_utf8(bytes) {
        Ok(text) => Readable::Text(text.to_owned()),
        Err(_) => Readable::Base64(BASE64_STANDARD.encode(bytes)),
    };
    readable.serialize(serializer)
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return deserializer.deserialize_byte_buf(OctetsVisitor).map(Self);
        }
        match Readable::deserialize(deserializer)? {
            Readable::Text(text) => Ok(Self(text.into_bytes())),
            Readable::Base64(text) => BASE64_STANDARD.decode(text).map(Self).map_err(D::Error::custom),
        }
    }
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_octets(&self.0, serializer)
    }
}

struct OctetsVisitor;

impl Visitor<'_> for OctetsVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}

fn read_body<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    Octets::deserialize(deserializer).map(|octets| Bytes::from(octets.0))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn write_status<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    status.as_u16().serialize(serializer)
}

fn read_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatusCode, D::Error> {
    StatusCode::from_u16(u16::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn write_headers<S: Serializer>(headers: &HeaderMap, serializer: S) -> Result<S::Ok, S::Error> {
    let lines = headers.iter().map(|(name, value)| (name.as_str(), Octets(value.as_bytes().to_vec())));
    serializer.collect_seq(lines)
}

fn read_headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderMap, D::Error> {
    let lines = Vec::<(String, Octets)>::deserialize(deserializer)?;
    let mut headers = HeaderMap::with_capacity(lines.len());
    for (name, value) in lines {
        let name = HeaderName::try_from(name).map_err(D::Error::custom)?;
        headers.append(name, HeaderValue::try_from(value.0).map_err(D::Error::custom)?);
    }
    Ok(headers)
}

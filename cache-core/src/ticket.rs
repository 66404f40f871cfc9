//! The receipt of an invalidation: what another process needs to wait until it has heard of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Error, ErrorKind};
use crate::store::Position;

/// The receipt of an acknowledged invalidation. Presented to [`Cache::at_least`](crate::Cache::at_least) in any
/// process, it makes what is read there afterwards as new as the invalidation.
///
/// It is a short text that fits into a header, a cookie or a URL as it is, and says nothing of what was invalidated.
///
/// # Examples
///
/// ```
/// # async fn run(cache: cache_core::Cache) -> cache_core::Result<()> {
/// let ticket = cache.invalidate("user:42").await?;
/// let header = ticket.to_string();
/// // … the next request comes to another process …
/// cache.at_least(&header.parse()?).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// None of a cache whose invalidations concern nobody else.
    position: Option<Position>,
}

/// The text of a ticket that holds everywhere.
const NOWHERE: &str = "0";

impl Ticket {
    pub(crate) fn new(position: Option<Position>) -> Self {
        Self { position }
    }

    pub(crate) fn position(&self) -> Option<Position> {
        self.position
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            None => f.write_str(NOWHERE),
            Some(Position { epoch, sequence }) => write!(f, "{:032x}-{sequence}", u128::from_be_bytes(epoch)),
        }
    }
}

impl FromStr for Ticket {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let position = match text.split_once('-') {
            None if text == NOWHERE => return Ok(Self::new(None)),
            Some((epoch, sequence)) if is_made_of(epoch, u8::is_ascii_hexdigit) && epoch.len() == 32 => {
                let sequence = Some(sequence).filter(|sequence| is_made_of(sequence, u8::is_ascii_digit));
                u128::from_str_radix(epoch, 16).ok().zip(sequence.and_then(|sequence| sequence.parse().ok()))
            }
            _ => None,
        };
        let (epoch, sequence) = position.ok_or_else(|| {
            Error::new(ErrorKind::Config, "this is no ticket; pass on the text of one as `to_string` gave it")
        })?;
        Ok(Self::new(Some(Position { epoch: epoch.to_be_bytes(), sequence })))
    }
}

fn is_made_of(text: &str, what: impl Fn(&u8) -> bool) -> bool {
    !text.is_empty() && text.as_bytes().iter().all(what)
}

impl Serialize for Ticket {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ticket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_survives_as_text() {
        let ticket = Ticket::new(Some(Position { epoch: [0xab; 16], sequence: 42 }));
        assert_eq!(ticket.to_string(), "abababababababababababababababab-42");
        let least = Ticket::new(Some(Position { epoch: [0; 16], sequence: u64::MAX }));
        for ticket in [ticket, least, Ticket::new(None)] {
            assert_eq!(ticket.to_string().parse::<Ticket>().unwrap(), ticket);
            let json = serde_json::to_string(&ticket).unwrap();
            assert_eq!(serde_json::from_str::<Ticket>(&json).unwrap(), ticket);
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            assert!(ticket.to_string().bytes().all(plain), "{ticket} needs no escape anywhere");
        }
    }

    #[test]
    fn another_text_is_no_ticket() {
        let epoch = "ab".repeat(16);
        let others = [
            "",
            "1",
            "-",
            "-1",
            "ab-1",
            &epoch,
            &format!("{epoch}-"),
            &format!("{epoch}-x"),
            &format!("{epoch}-+1"),
        ];
        for text in others {
            let error = text.parse::<Ticket>().unwrap_err();
            assert!(error.to_string().starts_with("this is no ticket"), "{text:?}: {error}");
        }
        for text in
            [format!("+{}-1", &epoch[1..]), format!("{epoch}-99999999999999999999"), format!("{epoch}a-1")]
        {
            assert!(text.parse::<Ticket>().is_err(), "{text:?}");
        }
        assert!(serde_json::from_str::<Ticket>("\"x\"").is_err());
    }
}

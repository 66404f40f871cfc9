//! The directives of `Cache-Control`: read with respect for quotes and for the case of names.
//!
//! `http-cache-semantics` decides what they mean; it is given them in the plain form that it can read. Only the two that
//! it does not know, for stale responses, are interpreted here.

use std::fmt::Write as _;
use std::time::Duration;

use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};

/// Names in lower case, each with its argument if it has one, in their order.
#[derive(Debug, Default)]
pub(super) struct Directives(Vec<(String, Option<String>)>);

/// The longest time that a header can name: beyond it a cache counts as this (RFC 9111, 1.2.2).
const MAX_SECONDS: u64 = 1 << 31;

impl Directives {
    /// Those of all `Cache-Control` lines.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        for line in headers.get_all(CACHE_CONTROL) {
            // What is not text names nothing that anybody knows.
            let Ok(line) = line.to_str() else { continue };
            for part in split(line) {
                let (name, argument) = match part.split_once('=') {
                    Some((name, argument)) => (name, Some(unquoted(argument))),
                    None => (part, None),
                };
                directives.0.push((name.trim().to_ascii_lowercase(), argument));
            }
        }
        directives
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(own, _)| own == name)
    }

    /// The shortest time that a directive of this name gives; zero if one of them is no number of seconds.
    pub(super) fn seconds(&self, name: &str) -> Option<Duration> {
        let given = self.0.iter().filter(|(own, _)| own == name);
        given.map(|(_, argument)| seconds(argument.as_deref())).min()
    }

    /// The same in a form without quotes, capitals and doubles; nothing if there are none.
    pub(super) fn plain(&self) -> Option<HeaderValue> {
        let mut plain = String::new();
        for (at, (name, argument)) in self.0.iter().enumerate() {
            if name.is_empty() || self.0.iter().take(at).any(|(earlier, _)| earlier == name) {
                continue;
            }
            let comma = if plain.is_empty() { "" } else { ", " };
            let _ = match argument {
                Some(_) if is_time(name) => {
                    let time = self.seconds(name).unwrap_or_default();
                    write!(plain, "{comma}{name}={}", time.as_secs())
                }
                // Field names, as of `private`: the whole response is meant, to be safe.
                Some(_) | None => write!(plain, "{comma}{name}"),
            };
        }
        if plain.is_empty() { None } else { HeaderValue::try_from(plain).ok() }
    }
}

fn is_time(name: &str) -> bool {
    matches!(
        name,
        "max-age" | "s-maxage" | "min-fresh" | "max-stale" | "stale-while-revalidate" | "stale-if-error"
    )
}

fn seconds(argument: Option<&str>) -> Duration {
    let digits = argument.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    // More digits than a number holds are a long time, and nothing else is one.
    let seconds = digits.map_or(0, |text| text.parse().unwrap_or(u64::MAX).min(MAX_SECONDS));
    Duration::from_secs(seconds)
}

/// The parts of a list, without those that are empty. A comma inside quotes separates nothing.
pub(super) fn split(line: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = line.split(move |character| {
        let separates = character == ',' && !quoted;
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        separates
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

fn unquoted(argument: &str) -> String {
    let argument = argument.trim();
    let inner = argument.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(argument).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directives(lines: &[&str]) -> Directives {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CACHE_CONTROL, HeaderValue::from_str(line).unwrap());
        }
        Directives::of(&headers)
    }

    #[test]
    fn names_have_no_case_and_quotes_hide_commas() {
        let found = directives(&["Max-Age=60, private=\"a, no-store\"", " NO-cache"]);
        assert!(found.has("no-cache") && found.has("private") && !found.has("no-store"));
        assert_eq!(found.seconds("max-age"), Some(Duration::from_secs(60)));
        assert_eq!(found.plain().unwrap(), "max-age=60, private, no-cache");
    }

    #[test]
    fn of_several_times_the_shortest_counts_and_nonsense_is_none() {
        let seconds = |line: &str| directives(&[line]).seconds("max-age").map(|time| time.as_secs());
        assert_eq!(seconds("max-age=60, max-age=5"), Some(5));
        assert_eq!(seconds("max-age=\"7\""), Some(7));
        for nonsense in
            ["max-age=-1", "max-age=1.5", "max-age=", "max-age", "max-age=1 2", "max-age=60, max-age=x"]
        {
            assert_eq!(seconds(nonsense), Some(0), "{nonsense}");
        }
        assert_eq!(seconds("max-age=99999999999999999999999"), Some(MAX_SECONDS));
        assert_eq!(seconds("s-maxage=1"), None);
        assert!(directives(&[]).plain().is_none() && directives(&[" , "]).plain().is_none());
    }
}

//! The names of pages: host, path and query of a request, and what tells its variants apart.
//!
//! The names are keys like all others, so that `cache.invalidate("http:shop.example:/products:*")` reaches every page of
//! that path.

use std::borrow::Cow;

use cache_core::{KeyWriter, Pattern};
use http::Uri;
use http::header::{AUTHORIZATION, HOST, HeaderMap};
use http::request::Parts;
use http::uri::Authority;

/// What a header list of `Vary` selects by: each name with the value that the request had.
pub(super) type Selection = Vec<(Box<str>, Option<Box<str>>)>;

/// The key of the page that a request asks for, as long as nobody knows of variants.
///
/// Requests that say who asks have keys of their own: nothing made for nobody in particular is an answer to them,
/// and what their pages are like decides nothing for others.
pub(super) fn of(request: &Parts, prefix: &str) -> KeyWriter {
    let mut key = of_path(request, prefix, request.uri.path());
    if let Some(query) = request.uri.query() {
        key.literal("?");
        key.escaped(&sorted(query));
    }
    if request.headers.contains_key(AUTHORIZATION) {
        key.literal("(authorized)");
    }
    key
}

/// The keys of all pages at `path` on the host of a request.
pub(super) fn pages_at(request: &Parts, prefix: &str, path: &str) -> Pattern {
    Pattern::build(|pattern| {
        pattern.append(&of_path(request, prefix, path));
        pattern.wildcard();
    })
}

fn of_path(request: &Parts, prefix: &str, path: &str) -> KeyWriter {
    let mut key = KeyWriter::new();
    key.literal("http:");
    key.escaped(&host(request));
    key.literal(":");
    key.escaped(prefix);
    key.escaped(path);
    key.literal(":");
    key
}

/// The key of a variant of the page at `key`.
pub(super) fn variant(key: &KeyWriter, selection: &Selection) -> KeyWriter {
    let mut hasher = blake3::Hasher::new();
    for (name, value) in selection {
        // Lengths, so that no two selections hash the same bytes.
        let value = value.as_deref();
        let lengths = [name.len() as u64, value.map_or(u64::MAX, |value| value.len() as u64)];
        hasher.update(&lengths[0].to_le_bytes()).update(name.as_bytes());
        hasher.update(&lengths[1].to_le_bytes()).update(value.unwrap_or_default().as_bytes());
    }
    let mut variant = key.clone();
    variant.literal("[");
    variant.literal(&hasher.finalize().to_hex()[..32]);
    variant.literal("]");
    variant
}

/// The value of a header as far as variants are concerned: all lines, without the space around their parts.
pub(super) fn value_of(headers: &HeaderMap, name: &str) -> Option<Box<str>> {
    let mut lines = headers.get_all(name).iter().peekable();
    lines.peek()?;
    let lines: Vec<_> = lines
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .map(|part| String::from_utf8_lossy(part.trim_ascii()))
        .collect();
    Some(lines.join(",").into())
}

/// The path that `location` names on the host of the request; nothing if it names another host.
pub(super) fn path_here<'l>(request: &Parts, location: &'l Uri) -> Option<&'l str> {
    let is_here = location
        .authority()
        .is_none_or(|authority| *authority.as_str().to_ascii_lowercase() == *host(request));
    (is_here && !location.path().is_empty()).then(|| location.path())
}

fn host(request: &Parts) -> Cow<'_, str> {
    let named = request.uri.authority().map(Authority::as_str);
    let host = named.or_else(|| request.headers.get(HOST)?.to_str().ok()).unwrap_or_default();
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// The parameters in the order of their names. Those of one name stay in theirs, which may mean something.
fn sorted(query: &str) -> Cow<'_, str> {
    if !query.contains('&') {
        return Cow::Borrowed(query);
    }
    let mut parameters: Vec<_> = query.split('&').collect();
    parameters.sort_by_key(|parameter| parameter.split('=').next());
    Cow::Owned(parameters.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(uri: &str, headers: &[(&'static str, &str)]) -> String {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        String::from_utf8(of(&parts, "").as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_key_names_host_path_and_sorted_query() {
        assert_eq!(key("/a/b", &[("host", "Shop.example:80")]), "http:shop.example%3A80:/a/b:");
        assert_eq!(key("http://shop.example/a?z=1&b=2", &[]), "http:shop.example:/a:?b=2&z=1");
        assert_eq!(key("/?b=2&a=9&b=1", &[]), "http::/:?a=9&b=2&b=1", "one name keeps its order");
        assert_eq!(key("/*:", &[]), "http::/%2A%3A:", "nothing in a path is a pattern");
        assert_ne!(key("/a?", &[]), key("/a", &[]));
        assert_ne!(key("/a", &[]), key("/a", &[("authorization", "x")]));
    }

    #[test]
    fn a_path_is_invalidated_with_its_queries_and_no_other_path() {
        let (parts, ()) = http::Request::post("/users/1").body(()).unwrap().into_parts();
        let pages = pages_at(&parts, "", parts.uri.path());
        assert!(pages.matches(&key("/users/1", &[])) && pages.matches(&key("/users/1?a=1", &[])));
        assert!(pages.matches(&key("/users/1", &[("authorization", "x")])));
        assert!(!pages.matches(&key("/users/12", &[])) && !pages.matches(&key("/users/1/pets", &[])));
    }

    #[test]
    fn variants_differ_by_every_value_and_not_by_space() {
        let names = |value: Option<&str>| vec![("accept".into(), value.map(Into::into))];
        let variant = |value| variant(&KeyWriter::new(), &names(value)).as_bytes().to_vec();
        assert_eq!(variant(Some("a")), variant(Some("a")));
        assert!(variant(Some("a")) != variant(Some("b")) && variant(None) != variant(Some("")));
        let mut headers = HeaderMap::new();
        headers.append("accept", "a , b".parse().unwrap());
        headers.append("accept", "c".parse().unwrap());
        assert_eq!(value_of(&headers, "accept").as_deref(), Some("a,b,c"));
        assert_eq!(value_of(&headers, "cookie"), None);
    }
}

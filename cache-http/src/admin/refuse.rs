//! What a request must be to change anything: from here, not one too many, and JSON of a bounded size.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// Bytes of the largest body.
pub(super) const LARGEST: usize = 16 * 1024;
/// How long a body may take to arrive.
const SLOWEST: Duration = Duration::from_secs(10);

/// That no other site made a browser send the request.
///
/// A browser says so in `Sec-Fetch-Site`, where it thinks the connection safe, and its `Origin` names the host that was
/// asked. Who sends neither is no browser, and has no ambient rights that others could misuse.
pub(super) fn same_origin(request: &Parts) -> Result<(), Problem> {
    let headers = &request.headers;
    let same = match (only(headers, "sec-fetch-site"), only(headers, ORIGIN.as_str())) {
        (Sent::Once(site), Sent::Nothing | Sent::Once(_)) => site == "same-origin",
        (Sent::Nothing, Sent::Nothing) => true,
        (Sent::Nothing, Sent::Once(origin)) => asked_host(request).is_some_and(|host| is_of(origin, host)),
        (Sent::Unclear, _) | (_, Sent::Unclear) => false,
    };
    if same { Ok(()) } else { Err(Problem::cross_origin()) }
}

/// A header that has one value.
enum Sent<'h> {
    Nothing,
    Once(&'h str),
    Unclear,
}

fn only<'h>(headers: &'h HeaderMap, name: &str) -> Sent<'h> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Sent::Nothing,
        (Some(value), None) => value.to_str().map_or(Sent::Unclear, Sent::Once),
        (Some(_), Some(_)) => Sent::Unclear,
    }
}

/// Host and port that the request was sent to, as it says itself.
fn asked_host(request: &Parts) -> Option<&str> {
    match only(&request.headers, HOST.as_str()) {
        Sent::Once(host) => Some(host),
        Sent::Nothing => request.uri.authority().map(Authority::as_str),
        Sent::Unclear => None,
    }
}

/// Whether `origin` is one of `host`, by whichever scheme: in front of us may be somebody who ends TLS.
fn is_of(origin: &str, host: &str) -> bool {
    let bare = |host: &str, port: &str| host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase();
    if let Some(named) = origin.strip_prefix("https://") {
        bare(named, ":443") == bare(host, ":443")
    } else if let Some(named) = origin.strip_prefix("http://") {
        bare(named, ":80") == bare(host, ":80")
    } else {
        false
    }
}

/// The body of a request, as the JSON that it must be.
pub(super) async fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    expected: &'static str,
) -> Result<T, Problem> {
    let Sent::Once(kind) = only(headers, CONTENT_TYPE.as_str()) else { return Err(Problem::not_json()) };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Problem::not_json());
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|announced: usize| announced > LARGEST) {
        return Err(Problem::too_large());
    }
    let body: Bytes = match tokio::time::timeout(SLOWEST, to_bytes(body, LARGEST)).await {
        Ok(Ok(body)) => body,
        // Too large, or broken off: then nobody hears of it.
        Ok(Err(_)) => return Err(Problem::too_large()),
        Err(_) => return Err(Problem::too_slow()),
    };
    match serde_json::from_slice(&body) {
        // A list of the values would do for it.
        Ok(_) if !body.trim_ascii_start().starts_with(b"{") => Err(Problem::senseless(expected)),
        Ok(asked) => Ok(asked),
        Err(error) if error.is_data() => Err(Problem::senseless(expected)),
        Err(_) => Err(Problem::malformed()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn is_same(headers: &[(&'static str, &str)]) -> bool {
        let mut request = Request::builder().uri("/clear");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        same_origin(&request.body(()).unwrap().into_parts().0).is_ok()
    }

    #[test]
    fn a_browser_says_where_a_request_comes_from() {
        assert!(is_same(&[("host", "a.example")]), "no browser");
        for site in ["cross-site", "same-site", "none", "", "SAME-ORIGIN"] {
            assert!(!is_same(&[("host", "a.example"), ("sec-fetch-site", site)]), "{site}");
        }
        assert!(is_same(&[
            ("host", "behind.a.proxy"),
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://a.example")
        ]));
        assert!(!is_same(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn an_origin_names_the_host_that_was_asked() {
        let same = [
            ("http://a.example", "a.example"),
            ("https://a.example", "a.example"),
            ("https://a.example", "A.example:443"),
            ("http://a.example", "a.example:80"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://[::1]:8080", "[::1]:8080"),
        ];
        for (origin, host) in same {
            assert!(is_same(&[("host", host), ("origin", origin)]), "{origin} {host}");
        }
        let other = [
            ("null", "a.example"),
            ("", "a.example"),
            ("a.example", "a.example"),
            ("http://a.example.evil.example", "a.example"),
            ("http://evil.example", "a.example"),
            ("http://a.example:8081", "a.example:8080"),
            ("http://a.example:443", "a.example"),
            ("ftp://a.example", "a.example"),
            ("http://a.example/", "a.example"),
            ("http://evil.example@a.example", "a.example"),
        ];
        for (origin, host) in other {
            assert!(!is_same(&[("host", host), ("origin", origin)]), "{origin} {host}");
        }
        assert!(!is_same(&[("origin", "http://a.example")]), "to whom it was sent is not known");
        let two = [("host", "a.example"), ("host", "evil.example"), ("origin", "http://evil.example")];
        assert!(!is_same(&two));
    }
}

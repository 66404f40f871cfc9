//! What is done about a response, and for whom a page is an answer: pure decisions. What the headers mean, as far as RFC 9111
//! says, is asked of `http-cache-semantics`.

use std::time::{Duration, SystemTime};

use headers::{ETag, HeaderMapExt as _, IfModifiedSince, IfNoneMatch, LastModified};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri, request, response};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy, RequestLike};

use super::directives::{Directives, split};
use super::key::{self, Selection};
use super::options::Options;
use super::page::Page;

/// What is done about a response whose head is known.
pub(super) enum Verdict {
    /// Its body is read, and it is kept.
    Keep(Life, Selection),
    /// It is for this client only.
    Uncacheable,
    /// It says that the service is in trouble: an older page is a better answer.
    Failing,
}

/// How long a page is an answer: fresh, and then in trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Life {
    /// What other caches have had of it.
    pub(super) age: Duration,
    pub(super) fresh: Duration,
    pub(super) stale_while: Duration,
    pub(super) stale_if_error: Duration,
}

/// A request as the service inside is asked when something is to be kept: a `GET`, whatever the method.
struct AsGet<'r>(&'r request::Parts);

impl RequestLike for AsGet<'_> {
    fn uri(&self) -> Uri {
        self.0.uri.clone()
    }

    fn is_same_uri(&self, other: &Uri) -> bool {
        self.0.uri == *other
    }

    fn method(&self) -> &Method {
        &Method::GET
    }

    fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }
}

/// Nothing is guessed: what does not say how long it is fresh is not kept.
const EXPLICIT: CacheOptions = CacheOptions {
    shared: true,
    cache_heuristic: 0.0,
    immutable_min_time_to_live: Duration::ZERO,
    ignore_cargo_cult: false,
};

/// What is done about the response with this head.
pub(super) fn judge(request: &request::Parts, response: &response::Parts, now: SystemTime) -> Verdict {
    use StatusCode as S;

    let headers = &response.headers;
    if matches!(
        response.status,
        S::INTERNAL_SERVER_ERROR | S::BAD_GATEWAY | S::SERVICE_UNAVAILABLE | S::GATEWAY_TIMEOUT
    ) {
        return Verdict::Failing;
    }
    let Some(vary) = selection(request, headers) else { return Verdict::Uncacheable };
    if headers.contains_key(header::SET_COOKIE) || headers.contains_key(header::TRAILER) {
        return Verdict::Uncacheable;
    }
    let (plain, directives) = plain(response);
    let policy = CachePolicy::new_options(&AsGet(request), &plain, now, EXPLICIT);
    let fresh = policy.time_to_live(now);
    if !policy.is_storable() || fresh.is_zero() {
        return Verdict::Uncacheable;
    }
    let strict = directives.has("must-revalidate") || directives.has("proxy-revalidate");
    let stale = |name| directives.seconds(name).filter(|_| !strict).unwrap_or_default();
    let life = Life {
        age: policy.age(now),
        fresh,
        stale_while: stale("stale-while-revalidate"),
        stale_if_error: stale("stale-if-error"),
    };
    Verdict::Keep(life, vary)
}

/// The head with directives that `http-cache-semantics` can read, and these directives.
fn plain(response: &response::Parts) -> (http::Response<()>, Directives) {
    let directives = Directives::of(&response.headers);
    let mut plain = http::Response::new(());
    *plain.status_mut() = response.status;
    response.headers.clone_into(plain.headers_mut());
    match directives.plain() {
        Some(value) => plain.headers_mut().insert(header::CACHE_CONTROL, value),
        None => plain.headers_mut().remove(header::CACHE_CONTROL),
    };
    (plain, directives)
}

/// What the response says that it depends on, as `request` has it; nothing if that cannot be told.
fn selection(request: &request::Parts, headers: &HeaderMap) -> Option<Selection> {
    let mut selection = Selection::new();
    for line in headers.get_all(header::VARY) {
        for name in split(line.to_str().ok()?) {
            // `*`, and what is no name at all.
            if name.contains('*') || HeaderName::try_from(name).is_err() {
                return None;
            }
            let name = name.to_ascii_lowercase();
            if selection.iter().all(|(known, _)| **known != *name) {
                let value = key::value_of(&request.headers, &name);
                selection.push((name.into(), value));
            }
        }
    }
    selection.sort_unstable();
    Some(selection)
}

/// Whether a request says something about which answers of a cache it takes.
pub(super) fn is_choosy(request: &HeaderMap) -> bool {
    request.contains_key(header::CACHE_CONTROL) || request.contains_key(header::PRAGMA)
}

/// Whether a choosy request takes `page`.
pub(super) fn accepts(request: &request::Parts, page: &Page, now: SystemTime) -> bool {
    let mut asked = request.clone();
    if let Some(value) = Directives::of(&request.headers).plain() {
        asked.headers.insert(header::CACHE_CONTROL, value);
    }
    let (plain, _) = plain(&page.head().into_parts().0);
    let made = SystemTime::UNIX_EPOCH + Duration::from_millis(page.made);
    let policy = CachePolicy::new_options(&AsGet(&asked), &plain, made, EXPLICIT);
    matches!(policy.before_request(&AsGet(&asked), now), BeforeRequest::Fresh(_))
}

/// Whether the client has what a successful response with these headers would bring.
pub(super) fn is_known(request: &HeaderMap, status: StatusCode, headers: &HeaderMap) -> bool {
    if !status.is_success() {
        return false;
    }
    if request.contains_key(header::IF_NONE_MATCH) {
        let (Some(known), Some(tag)) = (request.typed_get::<IfNoneMatch>(), headers.typed_get::<ETag>())
        else {
            return false;
        };
        return !known.precondition_passes(&tag);
    }
    match (request.typed_get::<IfModifiedSince>(), headers.typed_get::<LastModified>()) {
        (Some(since), Some(modified)) => !since.is_modified(modified.into()),
        _ => false,
    }
}

/// Gives a response that says nothing about caches the life of its route, for this cache and all on the way to the client.
pub(super) fn complete(options: &Options, request: &request::Parts, response: &mut response::Parts) {
    let silent = [header::CACHE_CONTROL, header::EXPIRES, header::PRAGMA, header::SET_COOKIE];
    let is_for_all = matches!(response.status.as_u16(), 200 | 203 | 204 | 301 | 308)
        && !request.headers.contains_key(header::AUTHORIZATION)
        && !silent.iter().any(|name| response.headers.contains_key(name));
    if is_for_all && let Some(value) = &options.default_control {
        response.headers.insert(header::CACHE_CONTROL, value.clone());
    }
}

/// Makes the head that of a page with `body`: with its length and, if it has none, an entity tag of its bytes.
pub(super) fn finish(response: &mut response::Parts, body: &[u8]) {
    let headers = &mut response.headers;
    // They were about the way here.
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(split)
        .filter_map(|name| HeaderName::try_from(name).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::AGE] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    if response.status == StatusCode::NO_CONTENT {
        return;
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    if response.status == StatusCode::OK && !headers.contains_key(header::ETAG) {
        let digest = blake3::hash(body).to_hex();
        if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", &digest[..32])) {
            headers.insert(header::ETAG, tag);
        }
    }
}

/// Turns the head into that of a 304.
pub(super) fn shorten(status: &mut StatusCode, headers: &mut HeaderMap) {
    *status = StatusCode::NOT_MODIFIED;
    for name in [
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_RANGE,
    ] {
        headers.remove(name);
    }
}

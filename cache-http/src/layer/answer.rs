//! A page as the answer to one request: its head as this client gets it.

use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body::Body;

use super::body::ResponseBody;
use super::page::Page;
use super::policy;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// How an answer was come by, in the words of RFC 9211.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Hit,
    /// By the request of somebody else that was under way.
    Collapsed(Why),
    /// By the service inside; whether it is kept.
    Forwarded(Why, bool),
}

/// Why a request was forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Bypass,
    Method,
    Missing,
    Variant,
    /// The client wants it.
    Request,
}

impl Why {
    fn word(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::Missing => "uri-miss",
            Self::Variant => "vary-miss",
            Self::Request => "request",
        }
    }
}

/// Notes in a head how its response was come by.
pub(super) fn mark(headers: &mut HeaderMap, name: &str, how: How, left: Option<i64>) {
    let text = match (how, left) {
        (How::Hit, Some(left)) => format!("{name}; hit; ttl={left}"),
        (How::Hit, None) => format!("{name}; hit"),
        (How::Collapsed(why), _) => format!("{name}; fwd={}; collapsed", why.word()),
        (How::Forwarded(why, true), _) => format!("{name}; fwd={}; stored", why.word()),
        (How::Forwarded(why, false), _) => format!("{name}; fwd={}", why.word()),
    };
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.append(CACHE_STATUS, value);
    }
}

/// The answer that `page` is to `request`.
pub(super) fn with<B: Body>(
    page: &Page,
    request: &Parts,
    name: &str,
    how: How,
    now: SystemTime,
) -> Response<ResponseBody<B>> {
    let mut headers = HeaderMap::with_capacity(page.headers.len() + 2);
    headers.extend(page.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    let made = SystemTime::UNIX_EPOCH + Duration::from_millis(page.made);
    let rested = now.duration_since(made).unwrap_or_default();
    let age = Duration::from_millis(page.age) + rested;
    if how == How::Hit || page.age > 0 {
        headers.insert(header::AGE, HeaderValue::from(age.as_secs()));
    }
    let left = seconds(Duration::from_millis(page.fresh)) - seconds(rested);
    mark(&mut headers, name, how, Some(left));
    let mut status = page.status;
    let body = if policy::is_known(&request.headers, status, &page.headers) {
        policy::shorten(&mut status, &mut headers);
        ResponseBody::empty()
    } else if request.method == Method::HEAD {
        ResponseBody::empty()
    } else {
        ResponseBody::kept(page.body.clone())
    };
    of(status, headers, body)
}

/// What became of a response that is not kept, and was made for this request: asked as a `GET` without conditions, which the
/// request may not have been.
pub(super) fn unkept<B: Body>(
    response: Response<ResponseBody<B>>,
    request: &Parts,
) -> Response<ResponseBody<B>> {
    let (mut head, mut body) = response.into_parts();
    if policy::is_known(&request.headers, head.status, &head.headers) {
        policy::shorten(&mut head.status, &mut head.headers);
        body = ResponseBody::empty();
    } else if request.method == Method::HEAD {
        if let Some(length) = body.size_hint().exact() {
            head.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
        }
        body = ResponseBody::empty();
    }
    Response::from_parts(head, body)
}

/// The answer to a client that wants one from the cache or none.
pub(super) fn nothing<B: Body>() -> Response<ResponseBody<B>> {
    of(StatusCode::GATEWAY_TIMEOUT, HeaderMap::new(), ResponseBody::empty())
}

fn of<B>(status: StatusCode, headers: HeaderMap, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

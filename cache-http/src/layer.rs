//! The tower layer: what users configure, and the way of each request: through, to a write, or to a visit of the cache.

mod answer;
mod body;
mod directives;
mod fetch;
mod key;
mod options;
mod page;
mod policy;
mod visit;

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use cache_core::private::time_of_day;
use cache_core::{Cache, Tag};
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{Method, Request, Response, Uri};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

pub use body::ResponseBody;

use answer::{How, Why};
use fetch::{Fetch, ready};
use options::Options;
use visit::{Looked, Place, Visit, look};

/// A tower layer that keeps responses in a [`Cache`], as a shared cache in front of the service does (RFC 9111).
///
/// It wraps any `Service<http::Request<B>, Response = http::Response<R>>`: a router of axum, or a plain service under hyper.
/// A request that it cannot answer goes to that service; n of them for one page go there once. Trouble of the cache or of
/// its store is never a client's: the service is asked.
///
/// # What is kept
///
/// Responses to `GET`, and to `HEAD`, which is asked as a `GET` and answered without the body, if they say how long they are
/// fresh: `Cache-Control` with `max-age` or `s-maxage`, or `Expires`; or [`ttl`](Self::ttl) says it for the whole route.
/// Nothing is guessed. Not kept are
/// - `no-store`, `private` and `no-cache`,
/// - what sets a cookie, or varies by `*`,
/// - what was made for a request with `Authorization`, unless it says `public`, `s-maxage` or `must-revalidate`. Such
///   requests have pages of their own: nothing made for nobody in particular is an answer to them,
/// - bodies of more than [`max_body`](Self::max_body) bytes, with trailers, or that break off; they go through unharmed,
/// - status codes that mean trouble.
///
/// **A handler whose answer depends on a header has to say so**, with `Vary`; and one that looks at cookies with `private`: no
/// cache can know.
///
/// Pages are told apart by host, path, the query in the order of its names, and the headers that `Vary` names. A page
/// without an `ETag` gets one, of its bytes. `If-None-Match` and `If-Modified-Since` are answered with 304. Requests with
/// `Range`, `If-Match`, `If-Unmodified-Since`, `Upgrade` or a body go through.
///
/// # How long it is served
///
/// As long as it is fresh. With `stale-while-revalidate` it is the answer for so much longer, while one request renews it;
/// with `stale-if-error` it is if the service fails, or says 500, 502, 503 or 504. `must-revalidate` forbids both.
/// `Cache-Control` and `Pragma` of a request are obeyed, unless
/// [`ignore_request_directives`](Self::ignore_request_directives) is set.
///
/// # How it is invalidated
///
/// Like every other entry, and by the same rule: a page whose handler began before an invalidation was acknowledged is not
/// served after it. Pages go
/// - by tag: [`tag`](Self::tag), [`tags`](Self::tags), or a header of the response ([`tag_header`](Self::tag_header)); so
///   `#[cache_invalidate(tags = …)]` on a handler that writes clears them. The tags of `#[cached]` functions of the same cache
///   that a handler calls are its page's, too,
/// - by key: `cache.invalidate("http:shop.example:/products:*")` reaches all pages of that path on that host,
/// - by a write: a method other than `GET`, `HEAD`, `OPTIONS` and `TRACE` that succeeds invalidates the pages of its path,
///   and of those that its `Location` and `Content-Location` name on this host.
///
/// # Where it belongs
///
/// **Inside compression**, so that a page is kept once, and compressed as each client wants it. Inside whatever makes
/// answers a client's own, such as cookies of a session. Outside of what makes pages expensive. Layers that come before it
/// see every request, those after it only what is not answered from the cache.
///
/// Each answer says in `Cache-Status` (RFC 9211) how it was come by, and one from the cache its `Age`.
///
/// # Examples
///
/// ```
/// use axum::Router;
/// use axum::http::header::CACHE_CONTROL;
/// use axum::routing::get;
/// use cache_core::Cache;
/// use cache_http::CacheLayer;
///
/// fn app(cache: Cache) -> Router {
///     let products = get(async || {
///         ([(CACHE_CONTROL, "max-age=60, stale-while-revalidate=30, stale-if-error=3600")], "bread, jam")
///     });
///     let layer = CacheLayer::new(cache).tag("products");
///     Router::new().route("/products", products).layer(layer)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CacheLayer {
    cache: Cache,
    options: Options,
}

impl CacheLayer {
    /// A layer that keeps responses in `cache`.
    ///
    /// By default it keeps what says how long it is fresh, and no body of more than one mebibyte.
    #[must_use]
    pub fn new(cache: Cache) -> Self {
        Self { cache, options: Options::default() }
    }

    /// Gives responses that say nothing about caches this time to live: they are kept for it, and `Cache-Control:
    /// max-age` tells every cache on the way to the client. In whole seconds.
    ///
    /// For routes whose answers are the same for everybody. What sets a cookie, and what was made for a request with
    /// `Authorization`, is left as it is.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self.with_default()
    }

    /// Together with [`ttl`](Self::ttl), for so long after it, in whole seconds: a stale page is the answer while one request renews it.
    #[must_use]
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.options.stale_while = window;
        self.with_default()
    }

    /// Together with [`ttl`](Self::ttl), for so long after it, in whole seconds: a stale page is the answer instead of an error of the
    /// service or one of the status codes 500, 502, 503 and 504.
    #[must_use]
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.options.stale_if_error = window;
        self.with_default()
    }

    fn with_default(mut self) -> Self {
        self.options.write_default();
        self
    }

    /// Keeps bodies of up to so many bytes. Longer ones go through to the client, unharmed.
    #[must_use]
    pub fn max_body(mut self, bytes: u64) -> Self {
        self.options.max_body = bytes;
        self
    }

    /// Remembers for so long, 2 seconds if nothing else is said, that a URI has a response that is not kept: requests for it
    /// do not wait for each other.
    #[must_use]
    pub fn uncacheable_for(mut self, time: Duration) -> Self {
        self.options.uncacheable_for = time;
        self
    }

    /// Gives every page this tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Tag>) -> Self {
        self.options.tags.push(tag.into());
        self
    }

    /// Gives every page the tags that `tags` makes of its request. They have to be the same each time the page is asked for.
    ///
    /// # Examples
    ///
    /// ```
    /// use cache_http::CacheLayer;
    ///
    /// # fn layer(cache: cache_core::Cache) -> CacheLayer {
    /// CacheLayer::new(cache).tags(|request| [format!("page:{}", request.uri.path())])
    /// # }
    /// ```
    #[must_use]
    pub fn tags<T, I>(mut self, tags: impl Fn(&Parts) -> I + Send + Sync + 'static) -> Self
    where
        T: Into<Tag>,
        I: IntoIterator<Item = T>,
    {
        let of_request = move |request: &Parts| tags(request).into_iter().map(Into::into).collect();
        self.options.tags_of.push(Arc::new(of_request));
        self
    }

    /// Takes further tags from this header of a response, `Cache-Tag` if nothing else is said: names, with commas or
    /// spaces between them.
    ///
    /// As with every value whose load learns tags on its way, such a page stays in the process that made it: other processes
    /// could not tell whether those tags have moved while it was made. That is not so if [`tags`](Self::tags) names them already; a
    /// service that shares its pages through a remote store should.
    #[must_use]
    pub fn tag_header(mut self, name: HeaderName) -> Self {
        self.options.tag_header = name;
        self
    }

    /// Leaves that header in the response, for caches further out. If nothing is said, no client sees it.
    #[must_use]
    pub fn show_tags(mut self) -> Self {
        self.options.shows_tags = true;
        self
    }

    /// Lets no request choose: `Cache-Control` and `Pragma` of requests are not looked at, so that a client cannot have a
    /// page made anew.
    #[must_use]
    pub fn ignore_request_directives(mut self) -> Self {
        self.options.obeys_requests = false;
        self
    }

    /// Puts `prefix` in front of each path in the names of pages.
    ///
    /// For a layer inside a nested router, which sees paths without the part that it is nested under: two of those that
    /// share a cache would take their pages for each other's.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.options.prefix = prefix.into();
        self
    }

    /// Calls this cache `name` in the header `Cache-Status`; `larder` if nothing is said. A name is a token: letters,
    /// digits, `-`, `_` and `.`.
    #[must_use]
    pub fn name(mut self, name: &'static str) -> Self {
        self.options.name = name;
        self
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> CacheService<S> {
        let Self { cache, options } = self.clone();
        CacheService { inner, shared: Arc::new(Shared { cache, options }) }
    }
}

/// What the clones of a service share.
struct Shared {
    cache: Cache,
    options: Options,
}

impl Shared {
    /// Gives the page that is being loaded the tags that its response names.
    fn learn_tags(&self, headers: &mut HeaderMap) {
        let lines = headers.get_all(&self.options.tag_header).iter().filter_map(|line| line.to_str().ok());
        for tag in lines.flat_map(|line| line.split([',', ' ', '\t'])).filter(|tag| !tag.is_empty()) {
            cache_core::tag(tag);
        }
        self.hide_tags(headers);
    }

    fn hide_tags(&self, headers: &mut HeaderMap) {
        if !self.options.shows_tags {
            headers.remove(&self.options.tag_header);
        }
    }
}

/// The service that [`CacheLayer`] makes: `S`, with what it answers kept.
///
/// It asks `S` at times without the body of a request, and so the type of bodies has to have one that is empty: `Default`.
/// axum's has. What hyper receives has not: box it first, `request.map(|body| body.boxed())`.
///
/// It is always ready: whether `S` is, is asked when `S` is needed, so that pages are served while it is not.
#[derive(Clone)]
pub struct CacheService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> fmt::Debug for CacheService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheService").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

/// What is done about a request.
enum Way {
    /// It may change what is kept.
    Write,
    Through,
    Choosy,
    Cached,
}

fn way(request: &Parts, is_empty: bool, options: &Options) -> Way {
    if !request.method.is_safe() {
        return Way::Write;
    }
    let headers = &request.headers;
    let is_read = request.method == Method::GET || request.method == Method::HEAD;
    let special = [header::RANGE, header::IF_MATCH, header::IF_UNMODIFIED_SINCE, header::UPGRADE];
    if !is_read || !is_empty || special.iter().any(|name| headers.contains_key(name)) {
        return Way::Through;
    }
    if options.obeys_requests && policy::is_choosy(headers) {
        if directives::Directives::of(headers).has("no-store") { Way::Through } else { Way::Choosy }
    } else {
        Way::Cached
    }
}

impl<S, B, R> Service<Request<B>> for CacheService<S>
where
    S: Service<Request<B>, Response = Response<R>, Error: Send + 'static, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body + Default + Send + 'static,
    R: Body<Error: Send> + Send + 'static,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<R, S::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let shared = &self.shared;
        let looked = match way(&parts, body.is_end_stream(), &shared.options) {
            Way::Write | Way::Through => {
                let request = Request::from_parts(parts, body);
                return ResponseFuture::of(through(self.inner.clone(), Arc::clone(shared), request));
            }
            Way::Choosy => None,
            Way::Cached => {
                let place = Place::of(&parts, &shared.options.prefix);
                let looked = look(shared, &parts, place);
                if let Looked::Page(kept) = &looked
                    && let Some(response) = visit::hit(shared, &parts, kept)
                {
                    return ResponseFuture(State::AtHand(Some(response)));
                }
                Some(looked)
            }
        };
        let fetch = Fetch {
            service: self.inner.clone(),
            shared: Arc::clone(shared),
            request: Arc::new(parts),
            slot: Arc::default(),
            body: PhantomData,
        };
        let visit = Visit { fetch, began: time_of_day() };
        match looked {
            Some(looked) => ResponseFuture::of(visit.answer(looked)),
            None => ResponseFuture::of(visit.choose()),
        }
    }
}

/// Passes a request on as it is. If it was a write that succeeded, the pages that it concerns are gone before its client knows.
async fn through<S, B, R>(mut service: S, shared: Arc<Shared>, request: Request<B>) -> Answered<R, S::Error>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    let (parts, body) = request.into_parts();
    let is_write = !parts.method.is_safe();
    // Of a read nothing is needed any more.
    let written = is_write.then(|| parts.clone());
    let response = ready(&mut service, Request::from_parts(parts, body)).await?;
    let mut response = response.map(ResponseBody::through);
    let why = if is_write { Why::Method } else { Why::Bypass };
    if let Some(parts) = written
        && (response.status().is_success() || response.status().is_redirection())
    {
        forget(&shared, &parts, response.headers()).await;
    }
    shared.hide_tags(response.headers_mut());
    answer::mark(response.headers_mut(), shared.options.name, How::Forwarded(why, false), None);
    Ok(response)
}

/// Invalidates what a write concerns: the pages of its path, and of those that its response names on this host.
async fn forget(shared: &Shared, request: &Parts, response: &HeaderMap) {
    let prefix = &shared.options.prefix;
    let named = [header::LOCATION, header::CONTENT_LOCATION].map(|name| {
        let location = response.get(name)?.to_str().ok()?;
        location.parse::<Uri>().ok()
    });
    let named = named.iter().flatten().filter_map(|location| key::path_here(request, location));
    let batch = shared.cache.batch();
    for path in [request.uri.path()].into_iter().chain(named) {
        batch.invalidate(key::pages_at(request, prefix, path));
    }
    if let Err(error) = batch.flush().await {
        tracing::debug!(target: "larder", %error, "the pages of a write are not removed from the remote store yet");
    }
}

/// What comes of a request.
type Answered<R, E> = Result<Response<ResponseBody<R>>, E>;

/// The answer of a [`CacheService`] on its way.
pub struct ResponseFuture<R: Body, E>(State<R, E>);

#[expect(clippy::large_enum_variant, reason = "a hit is to allocate nothing for it")]
enum State<R: Body, E> {
    /// Nothing, once it was given.
    AtHand(Option<Response<ResponseBody<R>>>),
    Coming(Pin<Box<dyn Future<Output = Answered<R, E>> + Send>>),
}

impl<R: Body, E> ResponseFuture<R, E> {
    fn of(coming: impl Future<Output = Answered<R, E>> + Send + 'static) -> Self {
        Self(State::Coming(Box::pin(coming)))
    }
}

/// Nothing in it is pinned in place.
impl<R: Body, E> Unpin for ResponseFuture<R, E> {}

impl<R: Body, E> Future for ResponseFuture<R, E> {
    type Output = Answered<R, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            // Whoever asks again after the end waits for ever.
            State::AtHand(response) => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
            State::Coming(coming) => coming.as_mut().poll(context),
        }
    }
}

impl<R: Body, E> fmt::Debug for ResponseFuture<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}

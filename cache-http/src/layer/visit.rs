//! From a request to its answer: look, wait for another's load or lead one, or go through. That a page is current, and that
//! one load is enough for all, is the affair of the core; here it is told what a load is, and what is made of its end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cache_core::KeyWriter;
use cache_core::private::{
    Copies, Lookup, Miss, Number, Okay, Serde, Site, lookup_stale, refresh, time_of_day,
};
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::Shared;
use super::answer::{self, How, Why};
use super::body::ResponseBody;
use super::directives::Directives;
use super::fetch::{Failing, Fetch, ready};
use super::key;
use super::page::{Kept, Page};
use super::policy;

/// What the core sees of a page.
pub(super) type Pages = Okay<Arc<Kept>, Failing, Copies>;

/// How the loads of pages are shown: no path, no host.
static SITE: Site = Site::new("CacheLayer", module_path!(), file!(), line!(), "http:<host>:<path>:<query>")
    .numbered_at(&NUMBER);

static NUMBER: Number = Number::new();

/// Keys that are followed to a variant. Beyond it a request goes through: no service needs as many.
const MAX_DEPTH: u32 = 3;

/// For how long an answer is waited for that might be an error, while there is an older page. Loads have a limit of their own.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What a look in this process has shown.
pub(super) enum Looked {
    Page(Arc<Kept>),
    Uncacheable,
    /// Nothing to answer with at once: so it is come by under this key.
    Miss(Box<Miss<'static, Pages>>, Place),
    /// The client wants another than what there is.
    Anew(Box<Miss<'static, Pages>>, Place),
    /// It wants nothing else.
    OnlyCached,
}

/// A key on the way from that of the URI to that of a variant.
pub(super) struct Place {
    key: KeyWriter,
    depth: u32,
}

/// What an entry means to a request.
enum Meaning {
    Answer,
    Uncacheable,
    /// It is for other requests of the same URI: go on there.
    Elsewhere(Place),
}

impl Place {
    pub(super) fn of(request: &Parts, prefix: &str) -> Self {
        Self { key: key::of(request, prefix), depth: 0 }
    }

    fn meaning(&self, kept: &Kept, request: &Parts) -> Meaning {
        match kept {
            Kept::Uncacheable => Meaning::Uncacheable,
            Kept::Page(page) if page.suits(request) => Meaning::Answer,
            Kept::Page(_) if self.depth == MAX_DEPTH => Meaning::Uncacheable,
            Kept::Page(page) => {
                let key = key::variant(&self.key, &page.selection_of(request));
                Meaning::Elsewhere(Self { key, depth: self.depth + 1 })
            }
        }
    }

    fn why(&self) -> Why {
        if self.depth == 0 { Why::Missing } else { Why::Variant }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(self.key.as_bytes()).into_owned()
    }
}

/// Looks for the answer to `request` in this process.
pub(super) fn look(shared: &Shared, request: &Parts, mut place: Place) -> Looked {
    loop {
        let write = |key: &mut KeyWriter| key.append(&place.key);
        let kept = match lookup_stale(&SITE, &shared.cache, Pages::default(), Serde, write) {
            Lookup::Hit(Ok(kept)) => kept,
            Lookup::Hit(Err(Failing)) => return Looked::Uncacheable,
            Lookup::Miss(miss) => return Looked::Miss(Box::new(miss), place),
        };
        match place.meaning(&kept, request) {
            Meaning::Answer => return Looked::Page(kept),
            Meaning::Uncacheable => return Looked::Uncacheable,
            Meaning::Elsewhere(further) => place = further,
        }
    }
}

/// The answer that a page of this process is.
pub(super) fn hit<B: Body>(
    shared: &Shared,
    request: &Parts,
    kept: &Kept,
) -> Option<Response<ResponseBody<B>>> {
    let Kept::Page(page) = kept else { return None };
    Some(answer::with(page, request, shared.options.name, How::Hit, time_of_day()))
}

/// One request on its way.
pub(super) struct Visit<S, B, R: Body, E> {
    pub(super) fetch: Fetch<S, B, R, E>,
    pub(super) began: SystemTime,
}

impl<S, B, R> Visit<S, B, R, S::Error>
where
    S: Service<Request<B>, Response = Response<R>, Error: Send + 'static, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Default + Send + 'static,
    R: Body<Error: Send> + Send + 'static,
{
    /// Looks for an answer that a request takes which says what it takes.
    pub(super) async fn choose(self) -> Result<Response<ResponseBody<R>>, S::Error> {
        let (shared, request) = (Arc::clone(&self.fetch.shared), Arc::clone(&self.fetch.request));
        let directives = Directives::of(&request.headers);
        let mut place = Place::of(&request, &shared.options.prefix);
        let anew = |place: Place| {
            let write = |key: &mut KeyWriter| key.append(&place.key);
            let miss = refresh(&SITE, &shared.cache, Pages::default(), Serde, write);
            Looked::Anew(Box::new(miss), place)
        };
        let looked = loop {
            // A failure of the store is a miss.
            let found = if shared.cache.is_enabled() {
                shared.cache.get::<Arc<Kept>>(place.text()).await.ok().flatten()
            } else {
                None
            };
            let Some(kept) = found else {
                break if directives.has("only-if-cached") {
                    Looked::OnlyCached
                } else if directives.has("no-cache") {
                    anew(place)
                } else {
                    look(&shared, &request, place)
                };
            };
            match (place.meaning(&kept, &request), &*kept) {
                (Meaning::Answer, Kept::Page(page)) => {
                    break if policy::accepts(&request, page, time_of_day()) {
                        Looked::Page(kept)
                    } else if directives.has("only-if-cached") {
                        Looked::OnlyCached
                    } else {
                        anew(place)
                    };
                }
                (Meaning::Answer | Meaning::Uncacheable, _) => break Looked::Uncacheable,
                (Meaning::Elsewhere(further), _) => place = further,
            }
        };
        self.answer(looked).await
    }

    /// Comes by the answer.
    pub(super) async fn answer(self, mut looked: Looked) -> Result<Response<ResponseBody<R>>, S::Error> {
        let (shared, request) = (Arc::clone(&self.fetch.shared), Arc::clone(&self.fetch.request));
        loop {
            let fetch = self.fetch.clone();
            let (output, place, why) = match looked {
                Looked::Page(kept) => match hit(&shared, &request, &kept) {
                    Some(response) => return Ok(response),
                    None => return self.pass(Why::Bypass).await,
                },
                Looked::Uncacheable => return self.pass(Why::Bypass).await,
                Looked::OnlyCached => return Ok(answer::nothing()),
                Looked::Miss(miss, place) => {
                    let why = place.why();
                    (self.told(*miss).reload(move || fetch.run()).await, place, why)
                }
                Looked::Anew(miss, place) => (self.told(*miss).load(fetch.run()).await, place, Why::Request),
            };
            let Ok(kept) = output else { return self.unkept(why).await };
            looked = match (place.meaning(&kept, &request), &*kept) {
                (Meaning::Answer, Kept::Page(page)) => {
                    let (how, name) = (self.how(&kept, page, why), shared.options.name);
                    return Ok(answer::with(page, &request, name, how, time_of_day()));
                }
                (Meaning::Answer | Meaning::Uncacheable, _) => return self.unkept(why).await,
                (Meaning::Elsewhere(further), _) => look(&shared, &request, further),
            };
        }
    }

    /// The miss with what the layer and the pages say about keeping them.
    fn told(&self, miss: Miss<'static, Pages>) -> Miss<'static, Pages> {
        let Shared { options, .. } = &*self.fetch.shared;
        let uncacheable_for = options.uncacheable_for;
        let tags = options.tags_of(&self.fetch.request);
        let miss = tags.iter().fold(miss, |miss, tag| miss.tag(|text| text.literal(tag.as_str())));
        miss.ttl_from(move |kept| match &**kept {
            Kept::Page(page) => Duration::from_millis(page.fresh),
            Kept::Uncacheable => uncacheable_for,
        })
        .stale_from(|kept| match &**kept {
            Kept::Page(page) => Duration::from_millis(page.stale_while.max(page.stale_if_error)),
            Kept::Uncacheable => Duration::ZERO,
        })
        .timeout_from(|kept, stale_for| match &**kept {
            Kept::Page(page) if stale_for < Duration::from_millis(page.stale_while) => None,
            _ => Some(PATIENCE),
        })
    }

    fn how(&self, kept: &Arc<Kept>, page: &Page, why: Why) -> How {
        let own = self.fetch.slot.lock().made.as_ref().is_some_and(|made| Arc::ptr_eq(made, kept));
        let made = SystemTime::UNIX_EPOCH + Duration::from_millis(page.made);
        if own {
            How::Forwarded(why, self.fetch.shared.cache.is_enabled())
        } else if made > self.began {
            How::Collapsed(why)
        } else {
            How::Hit
        }
    }

    /// The response that was made for this request and is not kept. Nobody else's: without one, the request goes through.
    async fn unkept(self, why: Why) -> Result<Response<ResponseBody<R>>, S::Error> {
        let own = self.fetch.slot.lock().unkept.take();
        let Some(own) = own else { return self.pass(why).await };
        let mut response = answer::unkept(own?, &self.fetch.request);
        self.mark(&mut response, why);
        Ok(response)
    }

    /// What the service inside says to the request as it is.
    async fn pass(self, why: Why) -> Result<Response<ResponseBody<R>>, S::Error> {
        let mut service = self.fetch.service.clone();
        let request = Request::from_parts((*self.fetch.request).clone(), B::default());
        let response = ready(&mut service, request).await?;
        let mut response = response.map(ResponseBody::through);
        self.fetch.shared.hide_tags(response.headers_mut());
        self.mark(&mut response, why);
        Ok(response)
    }

    fn mark(&self, response: &mut Response<ResponseBody<R>>, why: Why) {
        let how = How::Forwarded(why, false);
        answer::mark(response.headers_mut(), self.fetch.shared.options.name, how, None);
    }
}

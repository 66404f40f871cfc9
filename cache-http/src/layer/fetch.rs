//! A load: the service inside is asked, and its response becomes a page, or that of one client.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cache_core::private::time_of_day;
use http::header;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use parking_lot::Mutex;
use tower_service::Service;

use super::Shared;
use super::body::{self, Read, ResponseBody};
use super::page::{Kept, Page};
use super::policy::{self, Life, Verdict};

/// The service is in trouble: there is no page, and an older one is a better answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failing;

/// All that a load needs, which may run when its request has long been answered.
pub(super) struct Fetch<S, B, R: Body, E> {
    pub(super) service: S,
    pub(super) shared: Arc<Shared>,
    pub(super) request: Arc<Parts>,
    pub(super) slot: Arc<Mutex<Slot<R, E>>>,
    pub(super) body: PhantomData<fn() -> B>,
}

/// What a load leaves for the request that it runs for.
pub(super) struct Slot<R: Body, E> {
    pub(super) made: Option<Arc<Kept>>,
    /// A response that nobody else may have.
    pub(super) unkept: Option<Result<Response<ResponseBody<R>>, E>>,
}

impl<R: Body, E> Default for Slot<R, E> {
    fn default() -> Self {
        Self { made: None, unkept: None }
    }
}

impl<S: Clone, B, R: Body, E> Clone for Fetch<S, B, R, E> {
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
            shared: Arc::clone(&self.shared),
            request: Arc::clone(&self.request),
            slot: Arc::clone(&self.slot),
            body: PhantomData,
        }
    }
}

/// Calls `service` as soon as it is ready.
pub(super) async fn ready<S: Service<Q>, Q>(service: &mut S, request: Q) -> Result<S::Response, S::Error> {
    poll_fn(|context| service.poll_ready(context)).await?;
    service.call(request).await
}

impl<S, B, R> Fetch<S, B, R, S::Error>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: Default,
    R: Body,
{
    /// Asks the service for the whole page, whatever the client has of it.
    pub(super) async fn run(self) -> Result<Arc<Kept>, Failing> {
        let Self { mut service, shared, request, slot, .. } = self;
        let mut asked = (*request).clone();
        asked.method = Method::GET;
        for name in [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE] {
            asked.headers.remove(name);
        }
        let response = match ready(&mut service, Request::from_parts(asked, B::default())).await {
            Ok(response) => response,
            Err(error) => {
                slot.lock().unkept = Some(Err(error));
                return Err(Failing);
            }
        };
        let (mut head, body) = response.into_parts();
        shared.learn_tags(&mut head.headers);
        policy::complete(&shared.options, &request, &mut head);
        let verdict = policy::judge(&request, &head, time_of_day());
        let (life, vary) = match verdict {
            Verdict::Keep(life, vary) => (life, vary),
            Verdict::Uncacheable | Verdict::Failing => {
                let response = Response::from_parts(head, ResponseBody::through(body));
                slot.lock().unkept = Some(Ok(response));
                return match verdict {
                    Verdict::Failing => Err(Failing),
                    _ => Ok(Arc::new(Kept::Uncacheable)),
                };
            }
        };
        let kept = match body::read(body, shared.options.max_body).await {
            Read::Whole(bytes) => {
                let bytes = if head.status == StatusCode::NO_CONTENT { Bytes::new() } else { bytes };
                policy::finish(&mut head, &bytes);
                let made = time_of_day().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let Life { age, fresh, stale_while, stale_if_error } = life;
                let [age, fresh, stale_while, stale_if_error, made] =
                    [age, fresh, stale_while, stale_if_error, made].map(millis);
                Kept::Page(Page {
                    status: head.status,
                    headers: head.headers,
                    body: bytes,
                    made,
                    age,
                    fresh,
                    stale_while,
                    stale_if_error,
                    vary,
                })
            }
            Read::Unkept(body) => {
                slot.lock().unkept = Some(Ok(Response::from_parts(head, body)));
                Kept::Uncacheable
            }
        };
        let kept = Arc::new(kept);
        slot.lock().made = Some(Arc::clone(&kept));
        Ok(kept)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

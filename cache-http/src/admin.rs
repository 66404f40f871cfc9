//! The router to look at a cache and to clear it: which requests there are, and what each of them goes through.
//!
//! Who may ask is in `authorise`, what else a request must be in `refuse`, what is answered in `view` and `act`, the
//! page in `page`. No answer holds a value or an argument of a key.

mod act;
mod authorise;
mod bucket;
mod page;
mod problem;
mod refuse;
mod view;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, request::Parts};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};
use cache_core::Cache;

pub use authorise::{Authorise, Bearer, Caller, Refusal};
use bucket::Bucket;
use problem::Problem;

/// Changes that may follow each other at once, and how many more each second.
const CHANGES: (u32, f64) = (20, 2.0);
/// Refused requests that are put on record at once, and how many more each second: whoever is refused must not fill
/// the log.
const REFUSALS: (u32, f64) = (20, 1.0);

/// A router to look at `cache` and to clear it, for whom `authoriser` lets. Nest it where it is to be found: its page
/// is at that path, without a slash at the end.
///
/// | request | answer |
/// |---|---|
/// | `GET /` | a page that shows all of the below, once it is given a bearer token |
/// | `GET /stats` | what the cache has done, also under the names `total_requests`, `hit_rate`, `sets`, `deletes`, `errors`, `db_size` |
/// | `GET /health` | how the cache and its remote store are; 200 also when they are not well |
/// | `GET /keys` | every declared key with what invalidates it |
/// | `POST /invalidate` | `{"key": "user:42"}`, `{"pattern": "user:*"}` or `{"tag": "users"}`; with `"preview": true` only what that can reach |
/// | `POST /clear` | `{}` |
/// | `POST /enabled` | `{"enabled": false}` |
///
/// A `POST` comes from the same origin if it comes from a browser, is `application/json` of at most 16 KiB, and is one of
/// at most 20 at once and 2 a second. Each leaves an event of target `larder::audit`: who, what and how it ended, never
/// an argument of a key. An invalidation that the remote store could not be told of is answered with 202: it holds in
/// this process and is owed.
///
/// No answer holds a value or an argument of a key.
///
/// # Examples
///
/// ```
/// use cache_core::Cache;
/// use cache_http::{Bearer, admin, axum::Router};
///
/// # fn app(cache: Cache, token: &str) -> cache_core::Result<Router> {
/// let operators = Bearer::new("operations", token)?;
/// Ok(Router::new().nest("/admin/cache", admin(cache, operators)))
/// # }
/// ```
pub fn admin(cache: Cache, authoriser: impl Authorise) -> Router {
    let admin = Arc::new(Admin {
        cache,
        authoriser: Box::new(authoriser),
        changes: Bucket::new(CHANGES.0, CHANGES.1),
        refusals: Bucket::new(REFUSALS.0, REFUSALS.1),
    });
    let files = page::FILES.into_iter().fold(Router::new(), |files, (path, kind, text)| {
        files.route(path, get(async move || page::file(kind, text)))
    });
    files
        .route("/", get(page::index))
        .route("/stats", get(stats))
        .route("/health", get(health))
        .route("/keys", get(keys))
        .route("/invalidate", post(act::invalidate))
        .route("/clear", post(act::clear))
        .route("/enabled", post(act::enabled))
        .method_not_allowed_fallback(async || Problem::method())
        .fallback(async || Problem::nowhere())
        .layer(map_response(guarded))
        .with_state(admin)
}

/// What the requests of one router share.
struct Admin {
    cache: Cache,
    authoriser: Box<dyn Authorise>,
    changes: Bucket,
    refusals: Bucket,
}

impl Admin {
    /// Who sent a request that only looks.
    fn admit(&self, request: &Parts) -> Result<Caller, Problem> {
        self.authoriser.authorise(request).map_err(|refusal| {
            let problem = match refusal {
                Refusal::Unknown => Problem::unknown(),
                Refusal::Forbidden => Problem::forbidden(),
            };
            self.refused(request, None, problem)
        })
    }

    /// Puts a refusal on record, unless there were too many.
    fn refused(&self, request: &Parts, caller: Option<&Caller>, problem: Problem) -> Problem {
        if self.refusals.take().is_ok() {
            let (method, who) = (&request.method, caller.map_or("nobody", Caller::name));
            let (status, outcome) = (problem.status().as_u16(), problem.code());
            tracing::warn!(target: "larder::audit", who, %method, status, outcome, "refused");
        }
        problem
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("cache", &self.cache).finish_non_exhaustive()
    }
}

async fn stats(State(admin): State<Arc<Admin>>, request: Request) -> Result<Response, Problem> {
    admin.admit(&request.into_parts().0)?;
    Ok(view::stats(&admin.cache).await)
}

async fn health(State(admin): State<Arc<Admin>>, request: Request) -> Result<Response, Problem> {
    admin.admit(&request.into_parts().0)?;
    Ok(view::health(&admin.cache).await)
}

async fn keys(State(admin): State<Arc<Admin>>, request: Request) -> Result<Response, Problem> {
    admin.admit(&request.into_parts().0)?;
    Ok(view::keys())
}

/// What every answer says: nobody keeps it, takes it for something else, or embeds it elsewhere.
async fn guarded(mut response: Response) -> Response {
    const SAID: [(HeaderName, &str); 4] = [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
    ];
    for (name, value) in SAID {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

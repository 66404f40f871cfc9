//! The requests that change something: what they ask for, what is done, and the record of it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use cache_core::{Error, Key, Pattern, Scope, Tag, Ticket};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::authorise::Caller;
use super::problem::Problem;
use super::view::json;
use super::{Admin, refuse};

/// Bytes of the longest key, pattern or tag.
const LONGEST: usize = 2048;

/// What to invalidate: one of the three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invalidate {
    key: Option<String>,
    pattern: Option<String>,
    tag: Option<String>,
    /// Only to say what it would reach.
    #[serde(default)]
    preview: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clear {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enabled {
    enabled: bool,
}

pub(super) async fn invalidate(
    State(admin): State<Arc<Admin>>,
    request: Request,
) -> Result<Response, Problem> {
    const EXPECTED: &str = "send one of `key`, `pattern` and `tag`, as a string, and perhaps `preview`";
    let (caller, parts, asked) = admin.asked::<Invalidate>(request, EXPECTED).await?;
    let preview = asked.preview;
    let (kind, scope) =
        asked.scope().map_err(|why| admin.refused(&parts, Some(&caller), Problem::senseless(why)))?;
    let reaches = admin.cache.reached_by(scope.clone());
    if preview {
        return Ok(json(StatusCode::OK, &json!({ "preview": kind, "reaches": reaches })));
    }
    let record = Record::begin(&caller, "invalidate", kind);
    let outcome = admin.cache.invalidate(scope).await;
    Ok(admin.carried_out(record, &reaches, outcome))
}

pub(super) async fn clear(State(admin): State<Arc<Admin>>, request: Request) -> Result<Response, Problem> {
    let (caller, ..) = admin.asked::<Clear>(request, "send `{}`").await?;
    let reaches = admin.cache.reached_by(Scope::Everything);
    let record = Record::begin(&caller, "clear", "everything");
    let outcome = admin.cache.clear().await;
    Ok(admin.carried_out(record, &reaches, outcome))
}

pub(super) async fn enabled(State(admin): State<Arc<Admin>>, request: Request) -> Result<Response, Problem> {
    const EXPECTED: &str = "send `enabled`, which is `true` or `false`";
    let (caller, _, Enabled { enabled }) = admin.asked::<Enabled>(request, EXPECTED).await?;
    let record = Record::begin(&caller, "enabled", if enabled { "on" } else { "off" });
    admin.cache.set_enabled(enabled);
    record.end("done");
    Ok(json(StatusCode::OK, &json!({ "enabled": enabled })))
}

impl Admin {
    /// Who asks for a change, and what they ask for, if they may.
    async fn asked<T: DeserializeOwned>(
        &self,
        request: Request,
        expected: &'static str,
    ) -> Result<(Caller, Parts, T), Problem> {
        let (parts, body) = request.into_parts();
        let caller = self.admit(&parts)?;
        match self.read(&parts, body, expected).await {
            Ok(asked) => Ok((caller, parts, asked)),
            Err(problem) => Err(self.refused(&parts, Some(&caller), problem)),
        }
    }

    async fn read<T: DeserializeOwned>(
        &self,
        parts: &Parts,
        body: Body,
        expected: &'static str,
    ) -> Result<T, Problem> {
        refuse::same_origin(parts)?;
        self.changes.take().map_err(Problem::too_many)?;
        refuse::read(&parts.headers, body, expected).await
    }

    /// The answer to an invalidation.
    fn carried_out(
        &self,
        record: Record<'_>,
        reaches: &[&'static str],
        outcome: Result<Ticket, Error>,
    ) -> Response {
        let (status, outcome, ticket) = match outcome {
            Ok(ticket) => (StatusCode::OK, "done", Some(ticket.to_string())),
            // It holds in this process. The remote store is told when it can be, and not used before.
            Err(_) => (StatusCode::ACCEPTED, "owed", None),
        };
        let body = json!({
            "invalidated": record.kind,
            "reaches": reaches,
            "delivered": ticket.is_some(),
            "ticket": ticket,
            "owed_invalidations": self.cache.owed_invalidations(),
        });
        record.end(outcome);
        json(status, &body)
    }
}

/// The audit event of one change. Who hangs up before the answer has changed something all the same: that is on record,
/// too.
struct Record<'c> {
    caller: &'c Caller,
    action: &'static str,
    kind: &'static str,
    outcome: &'static str,
}

impl<'c> Record<'c> {
    fn begin(caller: &'c Caller, action: &'static str, kind: &'static str) -> Self {
        Self { caller, action, kind, outcome: "abandoned" }
    }

    fn end(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        let Self { caller, action, kind, outcome } = *self;
        tracing::info!(target: "larder::audit", who = caller.name(), action, kind, outcome, "changed");
    }
}

impl Invalidate {
    /// What is meant, and what kind of target that is.
    fn scope(self) -> Result<(&'static str, Scope), &'static str> {
        let (kind, text) = match (self.key, self.pattern, self.tag) {
            (Some(key), None, None) => ("key", key),
            (None, Some(pattern), None) => ("pattern", pattern),
            (None, None, Some(tag)) => ("tag", tag),
            _ => return Err("send exactly one of `key`, `pattern` and `tag`"),
        };
        if text.is_empty() || text.len() > LONGEST {
            return Err("what is to be invalidated has between 1 and 2048 bytes");
        }
        if text.chars().any(char::is_control) {
            return Err(
                "what is to be invalidated has no control characters; in keys they are percent-encoded",
            );
        }
        match kind {
            "key" if text.contains('*') => Err("a key has no `*`; send it as `pattern`"),
            "key" => Ok((kind, Key::from(text).into())),
            "pattern" => Ok((kind, Pattern::from(text).into())),
            _ => Ok((kind, Tag::from(text).into())),
        }
    }
}

//! What a layer is told about its routes.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use cache_core::Tag;
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;

/// Answers how the tags of a request's page are found.
type TagsOf = Arc<dyn Fn(&Parts) -> Vec<Tag> + Send + Sync>;

#[derive(Clone)]
pub(super) struct Options {
    /// In `Cache-Status`.
    pub(super) name: &'static str,
    /// In front of every path.
    pub(super) prefix: String,
    pub(super) ttl: Option<Duration>,
    pub(super) stale_while: Duration,
    pub(super) stale_if_error: Duration,
    /// What these three are in `Cache-Control`.
    pub(super) default_control: Option<HeaderValue>,
    /// The longest body that is kept, in bytes.
    pub(super) max_body: u64,
    pub(super) uncacheable_for: Duration,
    pub(super) tags: Vec<Tag>,
    pub(super) tags_of: Vec<TagsOf>,
    pub(super) tag_header: HeaderName,
    /// Whether the client sees it.
    pub(super) shows_tags: bool,
    pub(super) obeys_requests: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "larder",
            prefix: String::new(),
            ttl: None,
            stale_while: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            default_control: None,
            max_body: 1024 * 1024,
            uncacheable_for: Duration::from_secs(2),
            tags: Vec::new(),
            tags_of: Vec::new(),
            tag_header: HeaderName::from_static("cache-tag"),
            shows_tags: false,
            obeys_requests: true,
        }
    }
}

impl Options {
    /// Writes what a response that says nothing is given.
    pub(super) fn write_default(&mut self) {
        let Some(ttl) = self.ttl else { return };
        let mut control = format!("max-age={}", ttl.as_secs());
        for (name, time) in
            [("stale-while-revalidate", self.stale_while), ("stale-if-error", self.stale_if_error)]
        {
            if !time.is_zero() {
                // Writing to a String cannot fail.
                let _ = write!(control, ", {name}={}", time.as_secs());
            }
        }
        self.default_control = HeaderValue::try_from(control).ok();
    }

    /// The tags of the page that `request` asks for.
    pub(super) fn tags_of(&self, request: &Parts) -> Vec<Tag> {
        let mut tags = self.tags.clone();
        for of_request in &self.tags_of {
            tags.extend(of_request(request));
        }
        tags
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .field("default", &self.default_control)
            .field("max_body", &self.max_body)
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}

//! Who may look at a cache and change it: the user's decision, and a ready one by bearer token.

use std::fmt;
use std::sync::Arc;

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use blake3::Hash;
use cache_core::{Error, ErrorKind, Result};

/// Bytes of the shortest token that is taken for hard to guess.
const SHORTEST: usize = 16;

/// Decides who may use an [admin router](super::admin()).
///
/// It is asked before anything else is looked at, about every request but those for the page itself, which shows nothing.
/// What takes time, such as a session in a database, belongs into a middleware around the router that leaves what it found
/// in the extensions of the request. Closures are authorisers, too.
///
/// # Examples
///
/// ```
/// use cache_http::{Authorise, Caller, Refusal, axum::http::request::Parts};
///
/// #[derive(Clone)]
/// struct Session { user: String, is_admin: bool }
///
/// fn operators(request: &Parts) -> Result<Caller, Refusal> {
///     let session = request.extensions.get::<Session>().ok_or(Refusal::Unknown)?;
///     if session.is_admin { Ok(Caller::named(&session.user)) } else { Err(Refusal::Forbidden) }
/// }
/// # fn is_authoriser(_: impl Authorise) {}
/// # is_authoriser(operators);
/// ```
pub trait Authorise: Send + Sync + 'static {
    /// Who sent `request`, if they may do what it asks for.
    fn authorise(&self, request: &Parts) -> Result<Caller, Refusal>;
}

impl<F> Authorise for F
where
    F: Fn(&Parts) -> Result<Caller, Refusal> + Send + Sync + 'static,
{
    fn authorise(&self, request: &Parts) -> Result<Caller, Refusal> {
        self(request)
    }
}

/// Somebody who may use an admin router: a name for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    name: Arc<str>,
}

impl Caller {
    /// The caller of this name, which the audit event shows.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: Arc::from(name) }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Why somebody may not use an admin router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody knows who they are: answered with 401, which asks for a bearer token.
    Unknown,
    /// They may not do this: answered with 403.
    Forbidden,
}

/// Lets in whoever has one of its tokens: `Authorization: Bearer <token>`.
///
/// Only hashes of the tokens are kept, and all of them are compared, each in constant time.
///
/// # Examples
///
/// ```
/// use cache_http::Bearer;
///
/// # fn main() -> cache_core::Result<()> {
/// let operators = Bearer::new("operations", "3TBvXMHwcJ0ZzQ2H")?.and("on-call", "fJ8c1pWvB5sKq9Lr")?;
/// assert!(Bearer::new("operations", "").is_err());
/// # drop(operators); Ok(()) }
/// ```
#[derive(Clone)]
pub struct Bearer {
    known: Vec<(Hash, Caller)>,
}

impl Bearer {
    /// Lets `name` in with `token`. Refuses a token of less than 16 bytes, or one that no header can carry.
    pub fn new(name: &str, token: &str) -> Result<Self> {
        Self { known: Vec::new() }.and(name, token)
    }

    /// Also lets `name` in with `token`, with the same demands on it.
    pub fn and(mut self, name: &str, token: &str) -> Result<Self> {
        let refuse = |why: &str| {
            let message =
                format!("the token of `{name}` {why}; take random ones, as of `openssl rand -hex 32`");
            Err(Error::new(ErrorKind::Config, message))
        };
        if token.len() < SHORTEST {
            return refuse("has less than 16 bytes");
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refuse("has bytes other than visible ASCII");
        }
        self.known.push((blake3::hash(token.as_bytes()), Caller::named(name)));
        Ok(self)
    }
}

impl Authorise for Bearer {
    fn authorise(&self, request: &Parts) -> Result<Caller, Refusal> {
        let mut sent = request.headers.get_all(AUTHORIZATION).iter();
        let (Some(sent), None) = (sent.next(), sent.next()) else { return Err(Refusal::Unknown) };
        let Some((scheme, token)) = sent.to_str().ok().and_then(|sent| sent.split_once(' ')) else {
            return Err(Refusal::Unknown);
        };
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal::Unknown);
        }
        let sent = blake3::hash(token.trim().as_bytes());
        let mut found = None;
        for (known, caller) in &self.known {
            // Hashes compare in constant time.
            if *known == sent {
                found = Some(caller);
            }
        }
        found.cloned().ok_or(Refusal::Unknown)
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.known.iter().map(|(_, caller)| caller.name())).finish()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, Request};

    use super::*;

    const ONE: &str = "3TBvXMHwcJ0ZzQ2H";
    const OTHER: &str = "fJ8c1pWvB5sKq9Lr";

    fn asked(headers: &[&str]) -> Option<String> {
        let known = Bearer::new("one", ONE).and_then(|known| known.and("other", OTHER)).unwrap();
        let mut request = Request::new(());
        for header in headers {
            request.headers_mut().append(AUTHORIZATION, HeaderValue::from_str(header).unwrap());
        }
        known.authorise(&request.into_parts().0).ok().map(|caller| caller.name().to_owned())
    }

    #[test]
    fn a_token_is_known_whole_or_not_at_all() {
        assert_eq!(asked(&[&format!("Bearer {ONE}")]).as_deref(), Some("one"));
        assert_eq!(asked(&[&format!("bearer  {OTHER} ")]).as_deref(), Some("other"));
        let wrong = [
            "",
            "Bearer",
            "Bearer ",
            &ONE[1..],
            ONE,
            &format!("Basic {ONE}"),
            &format!("Bearer {ONE}{OTHER}"),
        ];
        for wrong in wrong {
            assert_eq!(asked(&[wrong]), None, "{wrong}");
        }
        assert_eq!(asked(&[&format!("Bearer {}", &ONE[..ONE.len() - 1])]), None);
        assert_eq!(asked(&[]), None);
        assert_eq!(
            asked(&[&format!("Bearer {ONE}"), &format!("Bearer {ONE}")]),
            None,
            "which of them is meant?"
        );
    }

    #[test]
    fn a_token_that_can_be_guessed_is_refused_and_never_shown() {
        for weak in ["", " ", "secret", "3TBvXMHwcJ0ZzQ2", "3TBvXMHw JcJ0ZzQ2H", "3TBvXMHwcJ0Zz\nQ2H"] {
            let error = Bearer::new("operations", weak).unwrap_err();
            assert!(weak.len() < 2 || !error.to_string().contains(weak), "{error}");
        }
        assert_eq!(format!("{:?}", Bearer::new("operations", ONE).unwrap()), r#"["operations"]"#);
    }
}

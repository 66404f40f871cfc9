//! The page of the router: files that are part of the program, and show nothing of it without a token.

use axum::body::Body;
use axum::extract::OriginalUri;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_FRAME_OPTIONS};
use axum::response::Response;

/// Nothing from elsewhere, nothing inline, and no frame of others around it.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Stands in the page for the folder of its files, seen from the page.
const FOLDER: &str = "{folder}";

pub(super) async fn index(OriginalUri(uri): OriginalUri) -> Response {
    let page = include_str!("../dashboard/index.html").replace(FOLDER, &folder(uri.path()));
    file("text/html; charset=utf-8", page)
}

/// The files beside the page: where, of which kind, and what is in them.
pub(super) const FILES: [(&str, &str, &str); 10] = [
    ("/icon.svg", "image/svg+xml", include_str!("../dashboard/icon.svg")),
    ("/dashboard.css", "text/css; charset=utf-8", include_str!("../dashboard/dashboard.css")),
    ("/dashboard.js", SCRIPT, include_str!("../dashboard/dashboard.js")),
    ("/act.js", SCRIPT, include_str!("../dashboard/act.js")),
    ("/charts.js", SCRIPT, include_str!("../dashboard/charts.js")),
    ("/connection.js", SCRIPT, include_str!("../dashboard/connection.js")),
    ("/dom.js", SCRIPT, include_str!("../dashboard/dom.js")),
    ("/format.js", SCRIPT, include_str!("../dashboard/format.js")),
    ("/history.js", SCRIPT, include_str!("../dashboard/history.js")),
    ("/view.js", SCRIPT, include_str!("../dashboard/view.js")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

pub(super) fn file(kind: &'static str, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    for (name, value) in [(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, POLICY), (X_FRAME_OPTIONS, "DENY")]
    {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Where the other files are, seen from the page at `path`: a router nested at `/a/b` has its page there and not at
/// `/a/b/`.
fn folder(path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or_default();
    if last.is_empty() {
        return "./".to_owned();
    }
    // It is part of the page, and not everything in an address is harmless there.
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-._~%".contains(c);
    let escape = |c: char| if harmless(c) { c.to_string() } else { format!("&#{};", u32::from(c)) };
    format!("./{}/", last.chars().map(escape).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_found_wherever_the_router_is() {
        assert_eq!(folder("/"), "./");
        assert_eq!(folder("/admin/cache/"), "./");
        assert_eq!(folder("/admin/cache"), "./cache/");
        assert_eq!(folder("/a/b\"onload='x'&<"), "./b&#34;onload&#61;&#39;x&#39;&#38;&#60;/");
    }
}

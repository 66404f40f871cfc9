//! The cases: data only. How a line is read says `main.rs`.

/// A group, what is shown, and how. Each line of that is `request | what the service would say | what comes of it`, or
/// `wait` and seconds.
///
/// A request is a method, a URI and headers in braces; what the service would say is a status and headers, and its body is
/// the number of the call. What comes of it is one of
/// - `made n`: the service was called, for the `n`-th time, and this is what it said,
/// - `kept n`: it was not called, and the answer is what it said the `n`-th time,
/// - `stale n`: the same, and it is called meanwhile,
/// - `sent n`: it was called, for the `n`-th time, and its answer is not looked at,
///
/// and then what else holds: `status=304`, `empty`, `age=59` or another header, `!name` for one that is not there.
pub(crate) const CASES: &[(&str, &str, &str)] = &[
    // freshness
    ("freshness", "a page lives for its max-age and no longer", "
        GET / | 200 {cache-control: max-age=60} | made 1
        wait 59
        GET / | 200 {cache-control: max-age=60} | kept 1
        wait 1
        GET / | 200 {cache-control: max-age=60} | made 2"),
    ("freshness", "s-maxage counts more than max-age, whichever is longer", "
        GET /a | 200 {cache-control: max-age=1, s-maxage=60} | made 1
        GET /b | 200 {cache-control: max-age=60, s-maxage=1} | made 2
        wait 30
        GET /a | 200 | kept 1
        GET /b | 200 | made 3"),
    ("freshness", "Expires counts from Date", "
        GET / | 200 {date: Sat, 21 Nov 2026 10:00:00 GMT; expires: Sat, 21 Nov 2026 10:01:00 GMT} | made 1
        wait 59
        GET / | 200 | kept 1
        wait 2
        GET / | 200 | made 2"),
    ("freshness", "max-age counts more than Expires", "
        GET / | 200 {cache-control: max-age=60; date: Sat, 21 Nov 2026 10:00:00 GMT; expires: Sat, 21 Nov 2026 09:00:00 GMT} | made 1
        GET / | 200 | kept 1
        GET /b | 200 {cache-control: max-age=0; date: Sat, 21 Nov 2026 10:00:00 GMT; expires: Sat, 21 Nov 2026 11:00:00 GMT} | made 2
        GET /b | 200 | made 3"),
    ("freshness", "s-maxage counts more than Expires", "
        GET / | 200 {cache-control: s-maxage=60; date: Sat, 21 Nov 2026 10:00:00 GMT; expires: Sat, 21 Nov 2026 09:00:00 GMT} | made 1
        GET / | 200 | kept 1"),
    ("freshness", "an Expires that is no date is over", "
        GET /a | 200 {expires: 0} | made 1
        GET /a | 200 | made 2
        GET /b | 200 {expires: soon} | made 3
        GET /b | 200 | made 4"),
    ("freshness", "an Expires before its Date is over", "
        GET / | 200 {date: Sat, 21 Nov 2026 10:00:00 GMT; expires: Sat, 21 Nov 2026 09:59:59 GMT} | made 1
        GET / | 200 | made 2"),
    ("freshness", "max-age=0 is not fresh at all", "
        GET / | 200 {cache-control: max-age=0} | made 1
        GET / | 200 | made 2"),
    ("freshness", "a negative, broken or empty max-age is not fresh at all", "
        GET /a | 200 {cache-control: max-age=-5} | made 1
        GET /a | 200 | made 2
        GET /b | 200 {cache-control: max-age=1.5} | made 3
        GET /b | 200 | made 4
        GET /c | 200 {cache-control: max-age=} | made 5
        GET /c | 200 | made 6
        GET /d | 200 {cache-control: max-age=60s} | made 7
        GET /d | 200 | made 8"),
    ("freshness", "a max-age that no number holds is a long time", "
        GET / | 200 {cache-control: max-age=99999999999999999999} | made 1
        wait 86400
        GET / | 200 | kept 1"),
    ("freshness", "a quoted max-age is read", "
        GET / | 200 {cache-control: max-age=\"60\"} | made 1
        GET / | 200 | kept 1"),
    ("freshness", "names of directives have no case", "
        GET / | 200 {cache-control: MaX-aGe=60} | made 1
        GET / | 200 | kept 1"),
    ("freshness", "what stands in quotes is no directive", "
        GET / | 200 {cache-control: extension=\"max-age=60, no-store\"} | made 1
        GET / | 200 | made 2
        GET /b | 200 {cache-control: extension=\"no-store, private\", max-age=60} | made 3
        GET /b | 200 | kept 3"),
    ("freshness", "of two that disagree the shorter counts", "
        GET / | 200 {cache-control: max-age=60, max-age=5} | made 1
        wait 6
        GET / | 200 | made 2"),
    ("freshness", "directives on two lines are one list", "
        GET / | 200 {cache-control: public; cache-control: max-age=60} | made 1
        GET / | 200 | kept 1
        GET /b | 200 {cache-control: max-age=60; cache-control: no-store} | made 2
        GET /b | 200 | made 3"),
    ("freshness", "unknown directives change nothing", "
        GET / | 200 {cache-control: max-age=60, fancy, shiny=2} | made 1
        GET / | 200 | kept 1"),
    ("freshness", "what says nothing is not kept: nothing is guessed", "
        GET / | 200 | made 1
        GET / | 200 | made 2
        GET /b | 200 {last-modified: Thu, 01 Jan 2026 10:00:00 GMT} | made 3
        GET /b | 200 | made 4
        GET /c | 200 {cache-control: public} | made 5
        GET /c | 200 | made 6"),
    ("freshness", "the age that a response brings is taken off its life", "
        GET / | 200 {cache-control: max-age=60; age: 50} | made 1 age=50
        wait 9
        GET / | 200 | kept 1 age=59
        wait 1
        GET / | 200 | made 2"),
    ("freshness", "a response that is too old when it comes is not kept", "
        GET / | 200 {cache-control: max-age=60; age: 60} | made 1
        GET / | 200 | made 2"),
    // no-store, private, no-cache
    ("no-store", "no-store is not kept", "
        GET / | 200 {cache-control: no-store} | made 1
        GET / | 200 | made 2"),
    ("no-store", "not even with a max-age, and whatever its case", "
        GET / | 200 {cache-control: max-age=60, No-Store} | made 1
        GET / | 200 | made 2"),
    ("no-store", "private is not kept, nor with field names, nor with s-maxage", "
        GET /a | 200 {cache-control: private, max-age=60} | made 1
        GET /a | 200 | made 2
        GET /b | 200 {cache-control: private=\"x-user\", max-age=60} | made 3
        GET /b | 200 | made 4
        GET /c | 200 {cache-control: private, s-maxage=60} | made 5
        GET /c | 200 | made 6"),
    ("no-store", "no-cache is not kept, nor with field names", "
        GET /a | 200 {cache-control: no-cache, max-age=60} | made 1
        GET /a | 200 | made 2
        GET /b | 200 {cache-control: no-cache=\"x-user\", max-age=60} | made 3
        GET /b | 200 | made 4"),
    ("no-store", "Pragma: no-cache of a response counts where there is no Cache-Control", "
        GET / | 200 {pragma: no-cache; expires: Thu, 21 Nov 2126 10:00:00 GMT} | made 1
        GET / | 200 | made 2"),
    ("no-store", "a request with no-store goes past what is kept, and leaves it", "
        GET / | 200 {cache-control: max-age=60} | made 1
        GET / {cache-control: no-store} | 200 {cache-control: max-age=60} | made 2
        GET / | 200 | kept 1"),
    ("no-store", "that a URI is uncacheable is remembered briefly only", "
        GET / | 200 {cache-control: no-store} | made 1
        GET / | 200 {cache-control: max-age=60} | made 2
        GET / | 200 {cache-control: max-age=60} | made 3
        wait 2
        GET / | 200 {cache-control: max-age=60} | made 4
        GET / | 200 | kept 4"),
    // what requests ask for
    ("request", "no-cache has the page made anew, for all", "
        GET / | 200 {cache-control: max-age=60} | made 1
        GET / {cache-control: no-cache} | 200 {cache-control: max-age=60} | made 2
        GET / | 200 | kept 2"),
    ("request", "Pragma: no-cache does the same", "
        GET / | 200 {cache-control: max-age=60} | made 1
        GET / {pragma: no-cache} | 200 {cache-control: max-age=60} | made 2
        GET / | 200 | kept 2"),
    ("request", "max-age bounds the age of what is taken", "
        GET / | 200 {cache-control: max-age=60} | made 1
        wait 10
        GET / {cache-control: max-age=20} | 200 | kept 1
        GET / {cache-control: max-age=5} | 200 {cache-control: max-age=60} | made 2
        GET / {cache-control: max-age=5} | 200 | kept 2"),
    ("request", "min-fresh asks for what lives on for a while", "
        GET / | 200 {cache-control: max-age=60} | made 1
        wait 30
        GET / {cache-control: min-fresh=20} | 200 | kept 1
        GET / {cache-control: min-fresh=40} | 200 {cache-control: max-age=60} | made 2"),
    ("request", "only-if-cached has what is there or nothing", "
        GET / {cache-control: only-if-cached} | 200 | kept 0 status=504 empty
        GET / | 200 {cache-control: max-age=60} | made 1
        GET / {cache-control: only-if-cached} | 200 | kept 1 status=200"),
    ("request", "directives that mean nothing here change nothing", "
        GET / | 200 {cache-control: max-age=60} | made 1
        GET / {cache-control: no-transform, fancy=1} | 200 | kept 1"),
    ("request", "max-stale is a permission that nobody has to use", "
        GET / | 200 {cache-control: max-age=60} | made 1
        wait 61
        GET / {cache-control: max-stale=100} | 200 {cache-control: max-age=60} | made 2"),
    // Vary
    ("Vary", "variants are kept apart", "
        GET / {accept-language: de} | 200 {cache-control: max-age=60; vary: accept-language} | made 1
        GET / {accept-language: en} | 200 {cache-control: max-age=60; vary: accept-language} | made 2
        GET / {accept-language: de} | 200 | kept 1
        GET / {accept-language: en} | 200 | kept 2
        GET / | 200 {cache-control: max-age=60; vary: accept-language} | made 3
        GET / | 200 | kept 3
        GET / {accept-language: de} | 200 | kept 1"),
    ("Vary", "a header that is missing and one that is empty differ", "
        GET / | 200 {cache-control: max-age=60; vary: x-mode} | made 1
        GET / {x-mode: } | 200 {cache-control: max-age=60; vary: x-mode} | made 2
        GET / | 200 | kept 1"),
    ("Vary", "other headers do not matter", "
        GET / {accept-language: de; x-a: 1} | 200 {cache-control: max-age=60; vary: accept-language} | made 1
        GET / {accept-language: de; x-a: 2} | 200 | kept 1"),
    ("Vary", "all names of the list count", "
        GET / {x-a: 1; x-b: 1} | 200 {cache-control: max-age=60; vary: x-a, x-b} | made 1
        GET / {x-a: 1; x-b: 2} | 200 {cache-control: max-age=60; vary: x-a, x-b} | made 2
        GET / {x-a: 2; x-b: 1} | 200 {cache-control: max-age=60; vary: x-a, x-b} | made 3
        GET / {x-a: 1; x-b: 1} | 200 | kept 1
        GET / {x-a: 2; x-b: 1} | 200 | kept 3"),
    ("Vary", "lists on two lines are one, and names have no case", "
        GET / {x-a: 1; x-b: 1} | 200 {cache-control: max-age=60; vary: X-A; vary: X-B} | made 1
        GET / {x-a: 1; x-b: 2} | 200 {cache-control: max-age=60; vary: X-A; vary: X-B} | made 2
        GET / {x-a: 1; x-b: 1} | 200 | kept 1"),
    ("Vary", "space and lines of the request's header do not matter", "
        GET / {x-a: 1, 2} | 200 {cache-control: max-age=60; vary: x-a} | made 1
        GET / {x-a: 1,2} | 200 | kept 1
        GET / {x-a: 1; x-a: 2} | 200 | kept 1
        GET / {x-a: 2,1} | 200 {cache-control: max-age=60; vary: x-a} | made 2"),
    ("Vary", "a star is not kept, alone or in a list", "
        GET /a | 200 {cache-control: max-age=60; vary: *} | made 1
        GET /a | 200 | made 2
        GET /b | 200 {cache-control: max-age=60; vary: accept, *} | made 3
        GET /b | 200 | made 4"),
    ("Vary", "what a variant varies by may be more", "
        GET / {x-a: 1} | 200 {cache-control: max-age=60; vary: x-a} | made 1
        GET / {x-a: 2; x-b: 1} | 200 {cache-control: max-age=60; vary: x-a, x-b} | made 2
        GET / {x-a: 2; x-b: 2} | 200 {cache-control: max-age=60; vary: x-a, x-b} | made 3
        GET / {x-a: 2; x-b: 1} | 200 | kept 2
        GET / {x-a: 2; x-b: 2} | 200 | kept 3
        GET / {x-a: 1} | 200 | kept 1"),
    ("Vary", "variants expire each by itself", "
        GET / {x-a: 1} | 200 {cache-control: max-age=60; vary: x-a} | made 1
        wait 30
        GET / {x-a: 2} | 200 {cache-control: max-age=60; vary: x-a} | made 2
        wait 31
        GET / {x-a: 1} | 200 {cache-control: max-age=60; vary: x-a} | made 3
        GET / {x-a: 2} | 200 | kept 2"),
    // conditional
    ("conditional", "a page without an entity tag gets one", "
        GET / | 200 {cache-control: max-age=60} | made 1 etag
        GET / | 200 | kept 1 etag"),
    ("conditional", "the tag that the service gives stays", "
        GET / | 200 {cache-control: max-age=60; etag: \"v1\"} | made 1 etag=\"v1\"
        GET / | 200 | kept 1 etag=\"v1\""),
    ("conditional", "who has it gets a 304, with what is new and without a body", "
        GET / | 200 {cache-control: max-age=60; etag: \"v1\"; content-type: text/plain; x-a: 1} | made 1
        GET / {if-none-match: \"v1\"} | 200 | kept 1 status=304 empty etag=\"v1\" cache-control=max-age=60 !content-length !content-type age=0
        GET / {if-none-match: \"v0\"} | 200 | kept 1 status=200"),
    ("conditional", "lists, weak tags and stars are understood", "
        GET / | 200 {cache-control: max-age=60; etag: \"v1\"} | made 1
        GET / {if-none-match: \"v0\", \"v1\"} | 200 | kept 1 status=304 empty
        GET / {if-none-match: W/\"v1\"} | 200 | kept 1 status=304 empty
        GET / {if-none-match: *} | 200 | kept 1 status=304 empty"),
    ("conditional", "a weak tag of the service is compared weakly", "
        GET / | 200 {cache-control: max-age=60; etag: W/\"v1\"} | made 1
        GET / {if-none-match: \"v1\"} | 200 | kept 1 status=304 empty"),
    ("conditional", "Last-Modified does the same", "
        GET / | 200 {cache-control: max-age=60; last-modified: Sat, 21 Nov 2026 10:00:00 GMT} | made 1
        GET / {if-modified-since: Sat, 21 Nov 2026 10:00:00 GMT} | 200 | kept 1 status=304 empty
        GET / {if-modified-since: Sat, 21 Nov 2026 11:00:00 GMT} | 200 | kept 1 status=304 empty
        GET / {if-modified-since: Sat, 21 Nov 2026 09:59:59 GMT} | 200 | kept 1 status=200
        GET / {if-modified-since: yesterday} | 200 | kept 1 status=200"),
    ("conditional", "If-None-Match counts more than If-Modified-Since", "
        GET / | 200 {cache-control: max-age=60; etag: \"v1\"; last-modified: Sat, 21 Nov 2026 10:00:00 GMT} | made 1
        GET / {if-none-match: \"v0\"; if-modified-since: Sat, 21 Nov 2026 11:00:00 GMT} | 200 | kept 1 status=200
        GET / {if-none-match: \"v1\"; if-modified-since: Sat, 21 Nov 2026 09:00:00 GMT} | 200 | kept 1 status=304 empty"),
    ("conditional", "a condition makes the page for all, and is then answered", "
        GET / {if-none-match: \"v1\"} | 200 {cache-control: max-age=60; etag: \"v1\"} | sent 1 status=304 empty
        GET / | 200 | kept 1 status=200"),
    ("conditional", "what is not kept is compared as well", "
        GET / {if-none-match: \"v1\"} | 200 {cache-control: no-store; etag: \"v1\"} | sent 1 status=304 empty"),
    ("conditional", "errors have no 304", "
        GET / | 404 {cache-control: max-age=60; etag: \"v1\"} | made 1 status=404
        GET / {if-none-match: \"v1\"} | 200 | kept 1 status=404"),
    ("conditional", "If-Match and If-Unmodified-Since go through", "
        GET / | 200 {cache-control: max-age=60; etag: \"v1\"} | made 1
        GET / {if-match: \"v1\"} | 200 | made 2
        GET / {if-unmodified-since: Sat, 21 Nov 2026 10:00:00 GMT} | 200 | made 3"),
    // Authorization
    ("Authorization", "what was made for somebody is not kept", "
        GET / {authorization: Basic YTpi} | 200 {cache-control: max-age=60} | made 1
        GET / {authorization: Basic YTpi} | 200 {cache-control: max-age=60} | made 2
        GET / | 200 {cache-control: max-age=60} | made 3"),
    ("Authorization", "nor is what was made for nobody an answer to somebody", "
        GET / | 200 {cache-control: max-age=60} | made 1
        GET / {authorization: Basic YTpi} | 200 {cache-control: max-age=60} | made 2
        GET / | 200 | kept 1"),
    ("Authorization", "public, s-maxage and must-revalidate say that it is for all who say who they are", "
        GET /a {authorization: Basic YTpi} | 200 {cache-control: max-age=60, public} | made 1
        GET /a {authorization: Basic Yzpk} | 200 | kept 1
        GET /b {authorization: Basic YTpi} | 200 {cache-control: s-maxage=60} | made 2
        GET /b {authorization: Basic Yzpk} | 200 | kept 2
        GET /c {authorization: Basic YTpi} | 200 {cache-control: max-age=60, must-revalidate} | made 3
        GET /c {authorization: Basic Yzpk} | 200 | kept 3"),
    ("Authorization", "requests of somebody do not make a page uncacheable for others", "
        GET / {authorization: Basic YTpi} | 200 {cache-control: private} | made 1
        GET / | 200 {cache-control: max-age=60} | made 2
        GET / | 200 | kept 2"),
    // Set-Cookie
    ("Set-Cookie", "a response that sets a cookie is not kept", "
        GET / | 200 {cache-control: max-age=60; set-cookie: a=b} | made 1 set-cookie=a=b
        GET / | 200 {cache-control: max-age=60; set-cookie: a=c} | made 2 set-cookie=a=c"),
    ("Set-Cookie", "not even one that is public", "
        GET / | 200 {cache-control: max-age=60, public; set-cookie: a=b} | made 1
        GET / | 200 {cache-control: max-age=60, public; set-cookie: a=c} | made 2 set-cookie=a=c"),
    // invalidation
    ("invalidation", "a write that succeeds removes the page", "
        GET / | 200 {cache-control: max-age=60} | made 1
        POST / | 200 | made 2
        GET / | 200 {cache-control: max-age=60} | made 3
        PUT / | 204 | sent 4
        GET / | 200 {cache-control: max-age=60} | made 5
        DELETE / | 303 | sent 6
        GET / | 200 {cache-control: max-age=60} | made 7
        PATCH / | 201 | sent 8
        GET / | 200 {cache-control: max-age=60} | made 9
        FANCY / | 200 | sent 10
        GET / | 200 {cache-control: max-age=60} | made 11"),
    ("invalidation", "one that fails does not", "
        GET / | 200 {cache-control: max-age=60} | made 1
        POST / | 400 | made 2 status=400
        PUT / | 500 | made 3 status=500
        GET / | 200 | kept 1"),
    ("invalidation", "reads of another kind do not", "
        GET / | 200 {cache-control: max-age=60} | made 1
        OPTIONS / | 200 | sent 2
        TRACE / | 200 | sent 3
        HEAD / | 200 | kept 1 empty
        GET / | 200 | kept 1"),
    ("invalidation", "all variants and queries of the path go, and nothing else", "
        GET /a {x-a: 1} | 200 {cache-control: max-age=60; vary: x-a} | made 1
        GET /a {x-a: 2} | 200 {cache-control: max-age=60; vary: x-a} | made 2
        GET /a?page=2 | 200 {cache-control: max-age=60} | made 3
        GET /ab | 200 {cache-control: max-age=60} | made 4
        GET /a/b | 200 {cache-control: max-age=60} | made 5
        POST /a | 200 | made 6
        GET /a {x-a: 1} | 200 {cache-control: max-age=60; vary: x-a} | made 7
        GET /a {x-a: 2} | 200 {cache-control: max-age=60; vary: x-a} | made 8
        GET /a?page=2 | 200 {cache-control: max-age=60} | made 9
        GET /ab | 200 | kept 4
        GET /a/b | 200 | kept 5"),
    ("invalidation", "Location and Content-Location of a write name further pages, on this host", "
        GET /a | 200 {cache-control: max-age=60} | made 1
        GET /b | 200 {cache-control: max-age=60} | made 2
        GET /c | 200 {cache-control: max-age=60} | made 3
        POST /x | 201 {location: /a; content-location: http://shop.example/b} | sent 4
        POST /x | 201 {location: http://other.example/c} | sent 5
        GET /a | 200 | made 6
        GET /b | 200 | made 7
        GET /c | 200 | kept 3"),
    // HEAD
    ("HEAD", "is answered from the page, with the length of its body", "
        GET / | 200 {cache-control: max-age=60; x-a: 1} | made 1
        HEAD / | 200 | kept 1 empty content-length=1 x-a=1 age=0 etag"),
    ("HEAD", "makes the page if there is none", "
        HEAD / | 200 {cache-control: max-age=60} | sent 1 empty content-length=1
        GET / | 200 | kept 1"),
    ("HEAD", "of what is not kept has no body either", "
        HEAD / | 200 {cache-control: no-store} | sent 1 empty content-length=1"),
    ("HEAD", "with a condition gets a 304", "
        GET / | 200 {cache-control: max-age=60; etag: \"v1\"} | made 1
        HEAD / {if-none-match: \"v1\"} | 200 | kept 1 status=304 empty"),
    // Age
    ("Age", "is the time since the page was made", "
        GET / | 200 {cache-control: max-age=60} | made 1 !age
        GET / | 200 | kept 1 age=0
        wait 42
        GET / | 200 | kept 1 age=42"),
    ("Age", "is added to what the response had", "
        GET / | 200 {cache-control: max-age=60; age: 10} | made 1 age=10
        wait 5
        GET / | 200 | kept 1 age=15"),
    ("Age", "that is no number is none", "
        GET / | 200 {cache-control: max-age=60; age: old} | made 1
        wait 5
        GET / | 200 | kept 1 age=5"),
    // stale
    ("stale", "while-revalidate answers at once and renews", "
        GET / | 200 {cache-control: max-age=60, stale-while-revalidate=30} | made 1
        wait 70
        GET / | 200 {cache-control: max-age=60} | stale 1 age=70
        GET / | 200 | kept 2 age=0"),
    ("stale", "while-revalidate ends", "
        GET / | 200 {cache-control: max-age=60, stale-while-revalidate=30} | made 1
        wait 90
        GET / | 200 {cache-control: max-age=60} | made 2"),
    ("stale", "while-revalidate is not for those who must revalidate", "
        GET / | 200 {cache-control: max-age=60, stale-while-revalidate=30, must-revalidate} | made 1
        wait 70
        GET / | 200 | made 2"),
    ("stale", "if-error answers instead of an error", "
        GET / | 200 {cache-control: max-age=60, stale-if-error=600} | made 1
        wait 70
        GET / | 503 | stale 1 status=200 age=70
        wait 700
        GET / | 503 | made 3 status=503"),
    ("stale", "if-error counts 500, 502, 503 and 504 as errors, and no other status", "
        GET /a | 200 {cache-control: max-age=60, stale-if-error=600} | made 1
        GET /b | 200 {cache-control: max-age=60, stale-if-error=600} | made 2
        GET /c | 200 {cache-control: max-age=60, stale-if-error=600} | made 3
        GET /d | 200 {cache-control: max-age=60, stale-if-error=600} | made 4
        wait 70
        GET /a | 500 | stale 1
        GET /b | 502 | stale 2
        GET /c | 504 | stale 3
        GET /d | 404 | made 8 status=404"),
    ("stale", "if-error asks first, and takes what is new", "
        GET / | 200 {cache-control: max-age=60, stale-if-error=600} | made 1
        wait 70
        GET / | 200 {cache-control: max-age=60} | made 2
        GET / | 200 | kept 2"),
    ("stale", "without permission an error is an error", "
        GET / | 200 {cache-control: max-age=60} | made 1
        wait 70
        GET / | 503 | made 2 status=503"),
    ("stale", "an error that is not kept does not remove a page that is fresh", "
        GET / | 200 {cache-control: max-age=60} | made 1
        GET / {cache-control: no-cache} | 503 | made 2 status=503
        GET / | 200 | kept 1"),
    ("stale", "what turns uncacheable when it is renewed is served to nobody any more", "
        GET / | 200 {cache-control: max-age=60, stale-while-revalidate=30} | made 1
        wait 70
        GET / | 200 {cache-control: no-store} | stale 1
        GET / | 200 {cache-control: no-store} | made 3"),
    // query
    ("query", "is part of the name, in any order", "
        GET /?a=1&b=2 | 200 {cache-control: max-age=60} | made 1
        GET /?b=2&a=1 | 200 | kept 1
        GET /?a=1&b=3 | 200 {cache-control: max-age=60} | made 2
        GET / | 200 {cache-control: max-age=60} | made 3"),
    ("query", "keeps the order of what has one name", "
        GET /?a=1&a=2 | 200 {cache-control: max-age=60} | made 1
        GET /?a=2&a=1 | 200 {cache-control: max-age=60} | made 2"),
    ("query", "hosts are apart, and have no case", "
        GET http://One.example/ | 200 {cache-control: max-age=60} | made 1
        GET http://two.example/ | 200 {cache-control: max-age=60} | made 2
        GET http://one.example/ | 200 | kept 1"),
    // range
    ("range", "goes through, and a 206 is not kept", "
        GET / | 200 {cache-control: max-age=60} | made 1
        GET / {range: bytes=0-0} | 206 {cache-control: max-age=60; content-range: bytes 0-0/1} | made 2 status=206
        GET / | 200 | kept 1
        GET /b {range: bytes=0-0} | 206 {cache-control: max-age=60; content-range: bytes 0-0/1} | made 3
        GET /b | 200 | made 4"),
    // storing
    ("storing", "all that has a life and is known is kept with its status and headers", "
        GET /203 | 203 {cache-control: max-age=60; x-a: 1} | made 1
        GET /203 | 500 | kept 1 status=203 x-a=1
        GET /204 | 204 {cache-control: max-age=60} | sent 2
        GET /204 | 500 | kept 2 empty status=204 !content-length
        GET /301 | 301 {cache-control: max-age=60; location: /x} | made 3
        GET /301 | 500 | kept 3 status=301 location=/x
        GET /302 | 302 {cache-control: max-age=60; location: /x} | made 4
        GET /302 | 500 | kept 4 status=302
        GET /308 | 308 {cache-control: max-age=60; location: /x} | made 5
        GET /308 | 500 | kept 5 status=308
        GET /404 | 404 {cache-control: max-age=60} | made 6
        GET /404 | 500 | kept 6 status=404
        GET /410 | 410 {cache-control: max-age=60} | made 7
        GET /410 | 500 | kept 7 status=410"),
    ("storing", "a status that nobody knows, and errors of the service, are not kept", "
        GET /a | 299 {cache-control: max-age=60} | made 1
        GET /a | 200 | made 2
        GET /b | 500 {cache-control: max-age=60} | made 3
        GET /b | 200 | made 4
        GET /c | 403 {cache-control: max-age=60} | made 5
        GET /c | 200 | made 6"),
    ("storing", "headers of the connection are not kept", "
        GET / | 200 {cache-control: max-age=60; connection: x-a, close; x-a: 1; keep-alive: 5; x-b: 2} | made 1
        GET / | 200 | kept 1 !x-a !connection !keep-alive x-b=2"),
    ("storing", "several lines of one header stay several", "
        GET / | 200 {cache-control: max-age=60; link: </a>; link: </b>} | made 1 link=</a>
        GET / | 200 | kept 1 link=</a>"),
    // Cache-Status
    ("Cache-Status", "says how an answer was come by", "
        GET / | 200 {cache-control: max-age=60; vary: x-a} | made 1 cache-status=larder;_fwd=uri-miss;_stored
        wait 10
        GET / | 200 | kept 1 cache-status=larder;_hit;_ttl=50
        GET / {x-a: 1} | 200 {cache-control: max-age=60; vary: x-a} | made 2 cache-status=larder;_fwd=vary-miss;_stored
        GET / {cache-control: no-cache} | 200 {cache-control: max-age=60; vary: x-a} | made 3 cache-status=larder;_fwd=request;_stored
        POST / | 200 | made 4 cache-status=larder;_fwd=method
        GET / {range: bytes=0-0} | 206 | made 5 cache-status=larder;_fwd=bypass
        GET /b | 200 {cache-control: no-store} | made 6 cache-status=larder;_fwd=uri-miss"),
    ("Cache-Status", "says that a page is stale, and comes after that of others", "
        GET / | 200 {cache-control: max-age=60, stale-while-revalidate=60; cache-status: inner; hit} | made 1
        wait 75
        GET /b | 200 {cache-control: max-age=60, stale-while-revalidate=60} | made 2
        GET / | 200 {cache-control: max-age=60} | stale 1
        wait 75
        GET /b | 200 {cache-control: max-age=60} | stale 2 cache-status=larder;_hit;_ttl=-15"),
];

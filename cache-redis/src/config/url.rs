//! The address of a server as a URL.
//! What could be part of a password is never quoted, not even when the URL makes no sense.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use super::{Address, DEFAULT_PORT, Secret};
use crate::sentinel::Sentinels;
use crate::slots::Node;

/// What a URL says; the rest is left to the builder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) address: Option<Address>,
    pub(super) db: Option<i64>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) sentinel_user: Option<String>,
    pub(super) sentinel_password: Option<Secret>,
    /// Whether the connection is encrypted.
    pub(super) tls: bool,
}

/// Reads a URL; an error is a text for the user.
pub(super) fn parse(url: &str) -> Result<Location, String> {
    // Environment variables and secret files like to end in a line break.
    let Some((scheme, rest)) = url.trim().split_once("://") else {
        return Err(format!("the Redis URL has no scheme; {ALLOWED}"));
    };
    let (plain, tls) = match scheme {
        "rediss" | "valkeys" => ("redis", true),
        "rediss+cluster" | "valkeys+cluster" => ("redis+cluster", true),
        "rediss+sentinel" | "valkeys+sentinel" => ("redis+sentinel", true),
        _ => (scheme, false),
    };
    if tls && !cfg!(feature = "tls") {
        return Err(format!("\"{scheme}://\" needs the Cargo feature `redis-tls` of `larder`; {ALLOWED}"));
    }
    let location = match plain {
        "redis" | "valkey" => server(rest),
        "unix" | "redis+unix" | "valkey+unix" => socket(rest),
        "redis+sentinel" | "valkey+sentinel" => sentinel(rest),
        "redis+cluster" | "valkey+cluster" => cluster(rest),
        _ if scheme.len() <= 20
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+') =>
        {
            Err(format!("the Redis URL begins with \"{scheme}://\"; {ALLOWED}"))
        }
        _ => Err(format!("the Redis URL has no scheme; {ALLOWED}")),
    }?;
    Ok(Location { tls, ..location })
}

/// Whether `host` can stand for a server: a name, an IPv4 address, or an IPv6 address without brackets.
pub(super) fn is_host(host: &str) -> bool {
    let of_name = |character: char| character.is_alphanumeric() || "-._".contains(character);
    !host.is_empty() && (host.chars().all(of_name) || host.parse::<Ipv6Addr>().is_ok())
}

/// Where a sentinel listens unless it says otherwise.
const SENTINEL_PORT: u16 = 26379;

const ALLOWED: &str = "allowed are \"redis://[[user]:password@]host[:port][/db]\" and \"unix:///path/of/socket[?db=…&user=…&pass=…]\"";

fn server(rest: &str) -> Result<Location, String> {
    let (login, host, tail) = parts(rest)?;
    let (host, port) = host_and_port(host, DEFAULT_PORT)?;
    let (user, password) = login_of(login)?;
    let (path, query) = path_and_query(tail)?;
    let db = database(path)?;
    without_parameters(query)?;
    Ok(Location { address: Some(Address::Tcp { host, port }), db, user, password, ..Location::default() })
}

fn cluster(rest: &str) -> Result<Location, String> {
    let (login, hosts, tail) = parts(rest)?;
    let nodes =
        hosts.split(',').map(|host| host_and_port(host, DEFAULT_PORT)).collect::<Result<Vec<_>, _>>()?;
    let (user, password) = login_of(login)?;
    let (path, query) = path_and_query(tail)?;
    let db = database(path)?;
    without_parameters(query)?;
    let nodes = nodes.into_iter().map(|(host, port)| Node { host, port }).collect();
    Ok(Location { address: Some(Address::Cluster(nodes)), db, user, password, ..Location::default() })
}

fn sentinel(rest: &str) -> Result<Location, String> {
    let (login, hosts, tail) = parts(rest)?;
    let hosts = hosts.split(',').map(|host| host_and_port(host, SENTINEL_PORT)).collect::<Result<_, _>>()?;
    let (user, password) = login_of(login)?;
    let (path, query) = path_and_query(tail)?;
    let path = path.trim_matches('/');
    let (primary, path) = path.split_once('/').unwrap_or((path, ""));
    let (primary, db) = (decoded(primary)?, database(path)?);
    if primary.is_empty() {
        return Err(
            "the Redis URL has no name of a primary; write \"redis+sentinel://host,host/name\"".to_owned()
        );
    }
    let address = Some(Address::Sentinel(Sentinels { hosts, primary }));
    let mut location = Location { address, db, user, password, ..Location::default() };
    for (name, value) in parameters(query) {
        match name {
            "sentinel_user" => location.sentinel_user = Some(decoded(value)?),
            "sentinel_pass" => location.sentinel_password = Some(Secret(decoded(value)?)),
            // What looks like a name may be the rest of a password with an `&` in it.
            _ => {
                return Err("the Redis URL has a parameter other than `sentinel_user` and `sentinel_pass`; in a value \
                             write \"&\" as %26"
                    .to_owned());
            }
        }
    }
    Ok(location)
}

/// Login, hosts, and what comes behind them.
fn parts(rest: &str) -> Result<(&str, &str, &str), String> {
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if tail.contains('@') {
        return Err("the Redis URL has a \"@\" behind its host; in a user or password write \"/\" as %2F, \
                    \"?\" as %3F, \"#\" as %23 and \"@\" as %40"
            .to_owned());
    }
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    Ok((login, hosts, tail))
}

fn database(path: &str) -> Result<Option<i64>, String> {
    match path.trim_matches('/') {
        "" => Ok(None),
        number => number
            .parse()
            .map(Some)
            .map_err(|_| format!("the Redis URL has a database {number:?}, which is no number; {ALLOWED}")),
    }
}

fn without_parameters(query: &str) -> Result<(), String> {
    match parameters(query).next() {
        None => Ok(()),
        Some((name, _)) => {
            Err(format!("the Redis URL has a parameter {name:?}, which means nothing here; {ALLOWED}"))
        }
    }
}

fn socket(rest: &str) -> Result<Location, String> {
    let (path, query) = path_and_query(rest)?;
    if !path.starts_with('/') {
        return Err(format!("the Redis URL needs the whole path of a socket after \"unix://\"; {ALLOWED}"));
    }
    let mut location =
        Location { address: Some(Address::Unix(PathBuf::from(decoded(path)?))), ..Location::default() };
    for (name, value) in parameters(query) {
        match name {
            "db" => {
                let number = value.parse().map_err(|_| "the Redis URL has a `db` that is no number")?;
                location.db = Some(number);
            }
            "user" => location.user = Some(decoded(value)?),
            "pass" => location.password = Some(Secret(decoded(value)?)),
            // What looks like a name may be the rest of a password with an `&` in it.
            _ => {
                return Err("the Redis URL has a parameter other than `db`, `user` and `pass`; in a value \
                             write \"&\" as %26"
                    .to_owned());
            }
        }
    }
    Ok(location)
}

fn host_and_port(text: &str, usual: u16) -> Result<(String, u16), String> {
    let (host, port) = if let Some(bracketed) = text.strip_prefix('[') {
        let (host, port) = bracketed.split_once(']').unwrap_or(("", ""));
        if host.parse::<Ipv6Addr>().is_err() || !(port.is_empty() || port.starts_with(':')) {
            return Err("the Redis URL has a \"[\" without an IPv6 address and a \"]\" behind it".to_owned());
        }
        (host, port.strip_prefix(':'))
    } else {
        let (host, port) = text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
        if host.is_empty() {
            return Err(format!("the Redis URL has no host; {ALLOWED}"));
        }
        if host.contains(',') {
            return Err("the Redis URL names several servers; give the address of one, or write \
                        \"redis+cluster://\""
                .to_owned());
        }
        if host.contains(':') || !is_host(host) {
            return Err(format!("the Redis URL has a host that is no name and no address; {ALLOWED}"));
        }
        (host, port)
    };
    let port = match port {
        None => usual,
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or("the Redis URL has a port that is no number from 1 to 65535")?,
    };
    Ok((host.to_owned(), port))
}

fn login_of(text: &str) -> Result<(Option<String>, Option<Secret>), String> {
    match text.split_once(':') {
        None if text.is_empty() => Ok((None, None)),
        Some(("", "")) => Ok((None, None)),
        None | Some((_, "")) => {
            Err("the Redis URL has a user without a password; write \"user:password@\", or \":password@\""
                .to_owned())
        }
        Some((user, password)) => {
            let user = Some(decoded(user)?).filter(|user| !user.is_empty());
            Ok((user, Some(Secret(decoded(password)?))))
        }
    }
}

fn path_and_query(text: &str) -> Result<(&str, &str), String> {
    if text.contains('#') {
        return Err(format!("the Redis URL has a \"#\", after which nothing is understood; {ALLOWED}"));
    }
    Ok(text.split_once('?').unwrap_or((text, "")))
}

fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// `text` with every `%41` replaced by the byte it stands for.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let byte = match (digit(), digit()) {
            (Some(high), Some(low)) => u8::try_from(high << 4 | low).ok(),
            _ => None,
        };
        bytes
            .push(byte.ok_or("the Redis URL has a \"%\" without two hex digits behind it; write it as %25")?);
    }
    String::from_utf8(bytes).map_err(|_| "the Redis URL has escaped bytes that are not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Location {
        Location { address: Some(Address::Tcp { host: host.to_owned(), port }), ..Location::default() }
    }

    fn with(location: Location, user: Option<&str>, password: &str) -> Location {
        Location { user: user.map(str::to_owned), password: Some(Secret(password.to_owned())), ..location }
    }

    #[test]
    fn urls_that_make_sense() {
        let table = [
            ("redis://localhost", tcp("localhost", 6379)),
            ("valkey://localhost/", tcp("localhost", 6379)),
            (" redis://10.0.0.1:7000\n", tcp("10.0.0.1", 7000)),
            ("redis://[::1]", tcp("::1", 6379)),
            ("redis://[fe80::1]:7000/0", Location { db: Some(0), ..tcp("fe80::1", 7000) }),
            ("redis://cache_1.internal:6380/15", Location { db: Some(15), ..tcp("cache_1.internal", 6380) }),
            ("redis://:secret@h", with(tcp("h", 6379), None, "secret")),
            (
                "redis://shop:secret@h:1/2",
                Location { db: Some(2), ..with(tcp("h", 1), Some("shop"), "secret") },
            ),
            ("redis://a%40b:p%2F%3a%25@h", with(tcp("h", 6379), Some("a@b"), "p/:%")),
            ("redis://shop:se@cr:et@h", with(tcp("h", 6379), Some("shop"), "se@cr:et")),
            ("redis://@h", tcp("h", 6379)),
            ("redis://:@h", tcp("h", 6379)),
        ];
        for (url, expected) in table {
            assert_eq!(parse(url), Ok(expected), "{url}");
        }
    }

    #[test]
    fn urls_of_clusters() {
        let nodes = [("a", 1), ("::1", 6379)].map(|(host, port)| Node { host: host.to_owned(), port });
        let plain = Location { address: Some(Address::Cluster(nodes.to_vec())), ..Location::default() };
        assert_eq!(parse("redis+cluster://a:1,[::1]"), Ok(plain.clone()));
        let expected = Location { db: Some(0), ..with(plain, Some("me"), "secret") };
        assert_eq!(parse("valkey+cluster://me:secret@a:1,[::1]/0"), Ok(expected));
    }

    #[test]
    fn urls_of_sentinels() {
        let hosts = vec![("a".to_owned(), 1), ("::1".to_owned(), 26379)];
        let address = Some(Address::Sentinel(Sentinels { hosts, primary: "shop".to_owned() }));
        let plain = Location { address, ..Location::default() };
        assert_eq!(parse("redis+sentinel://a:1,[::1]/shop"), Ok(plain.clone()));
        let expected = Location { db: Some(3), ..with(plain, Some("me"), "secret") };
        assert_eq!(parse("redis+sentinel://me:secret@a:1,[::1]/shop/3"), Ok(expected.clone()));
        let expected = Location {
            sentinel_user: Some("you".to_owned()),
            sentinel_password: Some(Secret("se&cret".to_owned())),
            ..expected
        };
        let url = "redis+sentinel://me:secret@a:1,[::1]/shop/3?sentinel_user=you&sentinel_pass=se%26cret";
        assert_eq!(parse(url), Ok(expected));
    }

    #[test]
    fn urls_with_tls_need_their_feature() {
        for url in ["rediss://shop:hunter2@h:1/2", "valkeys://shop:hunter2@h:1/2"] {
            assert_eq!(parse(url).is_ok(), cfg!(feature = "tls"), "{url}");
            match parse(url) {
                Ok(location) => {
                    let plain = with(tcp("h", 1), Some("shop"), "hunter2");
                    assert_eq!(location, Location { db: Some(2), tls: true, ..plain });
                }
                Err(error) => {
                    assert!(!error.contains("hunter2"), "{error}");
                    assert!(error.contains("the Cargo feature `redis-tls`"), "{error}");
                }
            }
        }
    }

    #[test]
    fn urls_of_sockets() {
        let at = |path: &str| Location {
            address: Some(Address::Unix(PathBuf::from(path))),
            ..Location::default()
        };
        assert_eq!(parse("unix:///run/redis.sock"), Ok(at("/run/redis.sock")));
        assert_eq!(parse("redis+unix:///run/a%20b?db=3"), Ok(Location { db: Some(3), ..at("/run/a b") }));
        let expected = with(at("/run/redis.sock"), Some("shop"), "se&cret");
        assert_eq!(parse("unix:///run/redis.sock?user=shop&pass=se%26cret"), Ok(expected));
    }

    #[test]
    fn urls_that_make_no_sense_say_why_and_what_is_allowed() {
        let table = [
            ("", "no scheme"),
            ("localhost:6379", "no scheme"),
            ("shop:hunter2@localhost", "no scheme"),
            ("hunter2/hunter2://", "no scheme"),
            ("http://localhost", "begins with \"http://\""),
            ("redis:///0", "no host"),
            ("redis://", "no host"),
            ("redis://:hunter2@", "no host"),
            ("redis://:hunter2@/0", "no host"),
            ("redis://shop:hunter2", "no number from 1 to 65535"),
            ("redis://shop:hunter2@h:0", "no number from 1 to 65535"),
            ("redis://shop:hunter2@h:99999", "no number from 1 to 65535"),
            ("redis://shop:hunter2@h:", "no number from 1 to 65535"),
            ("redis://shop:hunter2@::1", "no name and no address"),
            ("redis://shop:hunter2@[::1", "a \"[\" without"),
            ("redis://shop:hunter2@[x]", "a \"[\" without"),
            ("redis://shop:hunter2@[::1]6379", "a \"[\" without"),
            ("redis://shop:hunter2@a b", "no name and no address"),
            ("redis://shop:hunter2@a:1,b:2", "several servers"),
            ("redis://shop:hun/ter2@h", "write \"/\" as %2F"),
            ("redis://shop:hun?ter2@h", "write \"/\" as %2F"),
            ("redis://shop:hun#ter2@h", "write \"/\" as %2F"),
            ("redis://hunter2@h", "without a password"),
            ("redis://shop:@h", "without a password"),
            ("redis://shop:hunter2%@h", "write it as %25"),
            ("redis://shop:hunter2%zz@h", "write it as %25"),
            ("redis://shop:hunter2%ff@h", "not UTF-8"),
            ("redis://shop:hunter2@h/abc", "a database \"abc\""),
            ("redis://shop:hunter2@h/0/1", "a database \"0/1\""),
            ("redis://shop:hunter2@h/0#x", "a \"#\""),
            ("redis://shop:hunter2@h?timeout=3", "a parameter \"timeout\""),
            ("unix://run/redis.sock", "the whole path"),
            ("unix:///s?pass=hun&ter2", "write \"&\" as %26"),
            ("unix:///s?pass=hun&db=ter2", "a `db` that is no number"),
            ("redis+cluster://shop:hunter2@", "no host"),
            ("redis+cluster://shop:hunter2@a,,b", "no host"),
            ("redis+cluster://shop:hunter2@a,b/x", "a database \"x\""),
            ("redis+cluster://shop:hunter2@a,b?x=1", "a parameter \"x\""),
            ("redis+sentinel://shop:hunter2@h", "no name of a primary"),
            ("redis+sentinel://shop:hunter2@h/", "no name of a primary"),
            ("redis+sentinel://shop:hunter2@a,,b/shop", "no host"),
            ("redis+sentinel://shop:hunter2@a,b/shop/x", "a database \"x\""),
            ("redis+sentinel://shop:hunter2@a,b/shop?x=1", "a parameter other than"),
            ("redis+sentinel://a,b/shop?sentinel_pass=hun&ter2", "a parameter other than"),
        ];
        for (url, reason) in table {
            let error = parse(url).expect_err(url);
            assert!(error.contains(reason), "{url}: {error}");
            assert!(!error.contains("hunter2") && !error.contains("ter2"), "{error}");
        }
    }
}

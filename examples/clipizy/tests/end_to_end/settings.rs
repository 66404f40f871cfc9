//! What the environment says: the document's variables, the names that are others here, compression, and the reports.

use std::process::{Command, Output};

use serde_json::Value;
use tests::program::{Backend, Database};
use tests::redis::Server;

use crate::{CLIPIZY, get, is_hit, start_on};

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(CLIPIZY);
    for name in ["CACHE_BACKEND", "REDIS_URL", "REDIS_HOST"] {
        command.env_remove(name);
    }
    command.args(arguments).envs(variables.iter().copied()).output().expect("the program")
}

/// Parts of an address, a password, a database, a namespace, and a default time to live.
#[tokio::test]
async fn the_variables_of_the_document_are_read() {
    let server = Server::start_with(&["--requirepass", "canary-password"]);
    let port = server.port().to_string();
    let variables = [
        ("CACHE_BACKEND", ""),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &port),
        ("REDIS_DB", "3"),
        ("REDIS_PASSWORD", "canary-password"),
        ("REDIS_MAX_CONNECTIONS", "20"),
        ("CACHE_NAMESPACE", "clipizy"),
        ("CACHE_DEFAULT_TTL", "77"),
    ];
    let database = Database::new();
    let program = start_on(&Backend::Memory, &database, &variables);
    get(&program, "/settings").await;
    let backend = Backend::Redis(server);
    is_hit(&program, "/settings", "queries").await;
    let health: Value = program.json("/health").await;
    assert_eq!((&health["namespace"], &health["redis"]["connected"]), (&"clipizy".into(), &true.into()));
    assert_eq!(health["redis"]["hearing"], "feed", "an address and no backend is a near cache over Redis");

    // The one that says no time to live has the default.
    let server = backend.server().expect("a server");
    let mut left = redis::cmd("PTTL");
    let mut pipeline = redis::pipe();
    pipeline.cmd("SELECT").arg(3).ignore().add_command(left.arg("clipizy:system:settings").clone());
    let url = server.url_with(":canary-password");
    let mut connection =
        redis::Client::open(url).and_then(|client| client.get_connection()).expect("a connection");
    let (left,): (i64,) = pipeline.query(&mut connection).expect("an answer");
    assert!((1..=78_000).contains(&left), "{left} ms are left");
}

#[test]
fn a_name_that_is_another_here_is_answered_with_it() {
    for (name, value, why) in [
        ("CACHE_KEY_PREFIX", "clipizy:", "set `CACHE_NAMESPACE=clipizy`"),
        ("CACHE_ENABLE_COMPRESSION", "true", "set `CACHE_COMPRESSION=lz4`"),
        ("CACHE_COMPRESSION", "zlib", "one of `none`, `lz4`, `zstd`"),
        ("CACHE_DEFAULT_TTL", "soon", "seconds such as `300`"),
        ("REDIS_PORT", "0", "a port from 1 to 65535"),
        ("WEATHER_URL", "canillo", "write `http://127.0.0.1:8080`"),
    ] {
        let ended = run(&[], &[(name, value), ("ADDRESS", "127.0.0.1:0")]);
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success() && said.contains(name) && said.contains(why), "{said}");
    }
    let ended = run(&["outrage"], &[]);
    assert!(String::from_utf8_lossy(&ended.stderr).contains("`outage` and `compression` are reports"));
}

#[tokio::test]
async fn compression_makes_what_redis_holds_smaller() {
    let mut lengths = Vec::new();
    for compression in ["none", "lz4", "zstd"] {
        let backend = Backend::Redis(Server::start());
        let variables = [("CACHE_COMPRESSION", compression)];
        let database = Database::new();
        let program = start_on(&backend, &database, &variables);
        let places = get(&program, "/places/fr").await;
        is_hit(&program, "/places/fr", "queries").await;
        assert_eq!(get(&program, "/places/fr").await, places, "what comes back is what was stored");
        get(&program, "/users/1").await;
        is_hit(&program, "/users/1", "queries").await;
        let server = backend.server().expect("a server");
        let length = |name: &str| server.tell::<usize>(&["STRLEN", name]);
        lengths.push((length("larder:places:fr"), length("larder:user:1")));
    }
    let [(none, user), (lz4, with_lz4), (zstd, with_zstd)] = lengths[..] else { panic!("{lengths:?}") };
    assert!(zstd < lz4 && lz4 < none / 2, "{lengths:?}");
    // What is small stays as it is.
    assert_eq!((user, user), (with_lz4, with_zstd));
}

#[test]
fn the_report_of_compression_has_a_row_for_each_value() {
    let ended = run(&["compression"], &[]);
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{said}");
    let row = said.lines().find(|line| line.starts_with("places of GB")).expect("a row");
    let bytes: Vec<usize> = row.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(matches!(bytes[..], [none, lz4, zstd] if zstd < lz4 && lz4 < none), "{row}");
}

/// It takes as long as its table has rows, of a second each.
#[test]
fn the_report_of_an_outage_has_no_wrong_answer_and_no_error() {
    let ended = run(&["outage"], &[]);
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{said}");
    let rows: Vec<Vec<&str>> = said
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|row: &Vec<_>| {
            row.len() == 11 && row.iter().take(1).all(|first| first.parse::<u64>().is_ok())
        })
        .collect();
    assert_eq!(rows.len(), 15, "{said}");
    for row in &rows {
        assert_eq!((row[5], row[6]), ("0", "0"), "wrong answers or errors: {row:?}");
    }
    for away in ["killed", "still"] {
        assert!(rows.iter().any(|row| row[1] == away && row[9] == "open" && row[10] != "0"), "{said}");
    }
    assert_eq!((rows[14][9], rows[14][10]), ("closed", "0"), "{said}");
    assert!(rows[14][3].parse::<u64>().is_ok_and(|hits| hits > 0), "{said}");
    assert!(said.contains("the old user still"), "{said}");
    assert_eq!(said.matches("revision 2 of 2").count(), 2, "{said}");
}

//! The dashboard of the example shows what the example exports: each name in it is exported, and each that is exported is
//! in it.

use std::collections::BTreeSet;

use metrics_server::{open, record, serve, traffic};
use serde_json::Value;
use tests::redis::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const DASHBOARD: &str = include_str!("../../examples/metrics/grafana.json");

/// The words that begin as our names do, in every query of the dashboard.
fn asked_for(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                match (field.as_str(), value) {
                    ("expr" | "query", Value::String(query)) => {
                        let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                        names.extend(words.filter(|word| word.starts_with("larder_")).map(str::to_owned));
                    }
                    _ => asked_for(value, names),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| asked_for(value, names)),
        _ => {}
    }
}

/// Each value that is used to choose by a label, with the label.
fn chosen(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split(['{', ',', '}'])
        .filter_map(|pair| pair.split_once("=\""))
        .map(|(label, value)| (label, value.trim_end_matches('"')))
}

async fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_dashboard_asks_for_what_is_exported() {
    let server = Server::start();
    let recorded = record().unwrap();
    let cache = open(Some(&server.url())).unwrap();
    for round in 0..3 {
        cache.scope(traffic(round)).await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move { serve(&listener, &cache, &recorded).await });
    assert!(get(&address, "/").await.starts_with("HTTP/1.1 404 "));
    let answer = get(&address, "/metrics").await;
    serving.abort();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");

    let mut exported: BTreeSet<String> = body
        .lines()
        .filter(|line| line.starts_with("larder_"))
        .map(|line| line.split(['{', ' ']).next().unwrap().to_owned())
        .collect();
    let mut shown = BTreeSet::new();
    asked_for(&serde_json::from_str(DASHBOARD).unwrap(), &mut shown);
    for name in &shown {
        assert!(exported.contains(name), "{name} is in the dashboard and not exported:\n{body}");
    }
    // A histogram is three names, of which a panel may need one.
    let histograms: Vec<String> =
        exported.iter().filter_map(|name| name.strip_suffix("_bucket").map(str::to_owned)).collect();
    for histogram in &histograms {
        exported.retain(|name| name.strip_prefix(histogram.as_str()).is_none_or(|part| part == "_bucket"));
    }
    assert_eq!(histograms, ["larder_hit_duration_seconds", "larder_load_duration_seconds"]);
    assert_eq!(
        exported.difference(&shown).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "exported, and shown nowhere"
    );
    assert!(
        body.contains("larder_hits_total{cache=\"shop\",function=\"metrics_server::price\",tier=\"local\"}"),
        "{body}"
    );
    for (label, value) in chosen(body).filter(|(label, _)| !matches!(*label, "le")) {
        let known = match label {
            "cache" => value == "shop",
            "function" => value == "by_hand" || value.starts_with("metrics_server::"),
            "tier" => matches!(value, "local" | "remote"),
            "outcome" => matches!(value, "loaded" | "failed"),
            _ => false,
        };
        assert!(known, "{label}={value}");
    }
}

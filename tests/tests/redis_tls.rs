//! `rediss://`: a server that proves who it is is used as any other, and one that does not is not.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cache_core::store::{RemoteStore, conformance};
use larder::{ErrorKind, Redis, RedisBuilder};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tests::redis::Server;
use tests::until_async;

/// A server with a certificate for `name`, and the certificate of who signed it.
struct Encrypted {
    server: Server,
    port: u16,
    roots: String,
    /// A certificate of ours by the same signer, and its key.
    client: (String, String),
    /// How a server of this signer is started, but for its port.
    options: Vec<String>,
    folder: PathBuf,
}

impl Encrypted {
    fn start(name: &str) -> Self {
        Self::start_with(name, &["--tls-auth-clients", "no"])
    }

    fn start_with(name: &str, options: &[&str]) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Named apart from those it signs, which would else count as signed by themselves.
        authority.distinguished_name.push(DnType::CommonName, "an authority");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let signed = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            (params.signed_by(&key, &authority).unwrap().pem(), key.serialize_pem())
        };
        let port = tests::redis::free_port();
        let folder = std::env::temp_dir().join(format!("larder-tls-{}-{port}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let file = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (certificate, key) = signed(name);
        let files = [
            ("--tls-cert-file", file("certificate", certificate)),
            ("--tls-key-file", file("key", key)),
            ("--tls-ca-cert-file", file("authority", authority.pem())),
        ];
        let files = files.into_iter().flat_map(|(option, path)| [option.to_owned(), path]);
        let options: Vec<String> = files.chain(options.iter().map(|option| (*option).to_owned())).collect();
        let server = Server::start_with(&with_port(&port.to_string(), &options));
        let client = signed("client");
        Self { server, port, roots: authority.pem(), client, options, folder }
    }

    fn url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.port)
    }

    fn trusted(&self) -> RedisBuilder {
        let patience = Duration::from_secs(10);
        Redis::builder()
            .url(self.url())
            .root_certificates(self.roots.clone())
            .read_deadline(patience)
            .write_deadline(patience)
            .invalidate_deadline(patience)
    }
}

fn with_port<'a>(port: &'a str, options: &'a [String]) -> Vec<&'a str> {
    ["--tls-port", port].into_iter().chain(options.iter().map(String::as_str)).collect()
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test]
async fn the_contract_is_kept_over_tls() {
    let encrypted = Encrypted::start("127.0.0.1");
    conformance::remote(Arc::new(encrypted.trusted().connect().await.unwrap())).await;
    let clients: String = encrypted.server.tell(&["CLIENT", "LIST"]);
    assert!(clients.contains(&format!("laddr=127.0.0.1:{}", encrypted.port)), "{clients}");
}

#[tokio::test]
async fn a_server_that_does_not_prove_who_it_is_gets_nothing() {
    let encrypted = Encrypted::start("127.0.0.1");
    let of_another_name = Encrypted::start("redis.example.com");
    let stores = [
        (
            "of an unknown issuer",
            Redis::builder().url(encrypted.url()).root_certificates(of_another_name.roots.clone()),
        ),
        ("of another name", of_another_name.trusted()),
        ("unknown to the system", Redis::builder().url(encrypted.url())),
    ];
    for (what, store) in stores {
        // A machine without any trusted certificate says so before it connects.
        let error = store.password("canary-hunter2").connect().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Config), "{what}: {error}");
        assert!(error.to_string().contains("certificate"), "{what}: {error}");
        assert!(!format!("{error:?}").contains("canary-hunter2"), "{what}");
    }
}

#[tokio::test]
async fn who_speaks_tls_to_one_that_does_not_is_told_so_and_the_other_way_round() {
    let encrypted = Encrypted::start("127.0.0.1");
    let plain = format!("rediss://127.0.0.1:{}", encrypted.server.port());
    let error =
        Redis::builder().url(plain).root_certificates(encrypted.roots.clone()).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let error = Redis::connect(format!("redis://127.0.0.1:{}", encrypted.port)).await.unwrap_err();
    assert!(error.to_string().contains("without TLS"), "{error}");
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_ours() {
    let strict = Encrypted::start_with("127.0.0.1", &["--tls-auth-clients", "yes"]);
    let (certificate, key) = &strict.client;
    let store = strict.trusted().client_certificate(certificate.as_str(), key.as_str());
    store.connect().await.unwrap().health().await.unwrap();

    let error = strict.trusted().connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let stranger = Encrypted::start("127.0.0.1");
    let (certificate, key) = &stranger.client;
    let store = strict.trusted().client_certificate(certificate.as_str(), key.as_str());
    assert_eq!(store.connect().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn sentinels_and_servers_are_reached_over_tls_each_with_its_own_password() {
    let own = ["--tls-auth-clients", "no", "--tls-replication", "yes"];
    let primary = Encrypted::start_with("127.0.0.1", &[&own[..], &["--requirepass", "hunter2"]].concat());
    let port = tests::redis::free_port();
    let watching =
        primary.options.iter().map(|option| option.replace("hunter2", "hunter3")).collect::<Vec<_>>();
    let lines = "sentinel auth-pass shop hunter2\n";
    let _sentinel =
        Server::start_sentinel_with(primary.port, lines, &with_port(&port.to_string(), &watching));

    let store = |query: &str| {
        let url = format!("rediss+sentinel://:hunter2@127.0.0.1:{port}/shop{query}");
        Redis::builder().url(url).root_certificates(primary.roots.clone())
    };
    for store in [store("?sentinel_pass=hunter3"), store("").sentinel_password("hunter3")] {
        store.connect().await.unwrap().health().await.unwrap();
    }
    for store in
        [store(""), store("?sentinel_pass=hunter2"), store("?sentinel_user=me&sentinel_pass=hunter3")]
    {
        let error = store.connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("sentinel_password"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter"), "{error:?}");
    }
    let error = Redis::builder().sentinel_password("hunter3").build().unwrap_err();
    assert!(error.to_string().contains("there are no sentinels"), "{error}");
}

#[tokio::test]
async fn the_nodes_of_a_cluster_are_reached_over_tls() {
    let options = ["--tls-auth-clients", "no", "--cluster-enabled", "yes", "--tls-cluster", "yes"];
    let node = Encrypted::start_with("127.0.0.1", &options);
    node.server.tell::<()>(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    let url = node.url().replace("rediss://", "rediss+cluster://");
    let store = Redis::builder().url(url).root_certificates(node.roots.clone()).connect().await.unwrap();
    until_async(async || store.fetch("name", &["scope".to_owned()], None).await.is_ok()).await;
    let clients: String = node.server.tell(&["CLIENT", "LIST"]);
    let ours: Vec<&str> = clients.lines().filter(|client| client.contains(" name=larder ")).collect();
    let over_tls = |client: &&&str| client.contains(&format!("laddr=127.0.0.1:{}", node.port));
    assert!(!ours.is_empty() && ours.iter().filter(over_tls).count() == ours.len(), "{clients}");
}

#[tokio::test]
async fn a_connection_that_ends_is_replaced() {
    let encrypted = Encrypted::start("127.0.0.1");
    let store = encrypted.trusted().connect().await.unwrap();
    for _ in 0..5 {
        encrypted.server.tell::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]);
        until_async(async || store.health().await.is_ok()).await;
    }
}

#[test]
fn what_are_no_certificates_is_refused() {
    let encrypted = Encrypted::start("127.0.0.1");
    for pem in ["", "text", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let error = Redis::builder().url("rediss://h").root_certificates(pem).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("PEM"), "{error}");
    }
    for (certificate, key) in [("", ""), ("text", "text"), (encrypted.client.0.as_str(), "hunter2")] {
        let builder = Redis::builder().url("rediss://h").root_certificates(encrypted.roots.as_str());
        let error = builder.client_certificate(certificate, key).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("PEM") && !error.to_string().contains("hunter2"), "{error}");
    }
    let error = Redis::builder().url("unix:///run/redis.sock").tls().build().unwrap_err();
    assert!(error.to_string().contains("can be encrypted"), "{error}");
}

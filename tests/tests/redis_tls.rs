//! `rediss://`: a server that proves who it is is used as any other, and one that does not is not.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cache_core::store::{RemoteStore, conformance};
use larder::{ErrorKind, Redis, RedisBuilder};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tests::redis::Server;
use tests::until_async;

/// A server with a certificate for `name`, and the certificate of who signed it.
struct Encrypted {
    server: Server,
    port: u16,
    roots: String,
    folder: PathBuf,
}

impl Encrypted {
    fn start(name: &str) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let port = tests::redis::free_port();
        let folder = std::env::temp_dir().join(format!("larder-tls-{}-{port}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let file = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let server = Server::start_with(&[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &file("certificate", certificate.pem()),
            "--tls-key-file",
            &file("key", key.serialize_pem()),
            "--tls-ca-cert-file",
            &file("authority", authority.pem()),
            "--tls-auth-clients",
            "no",
        ]);
        Self { server, port, roots: authority.pem(), folder }
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
    for pem in ["", "text", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let error = Redis::builder().url("rediss://h").root_certificates(pem).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("PEM"), "{error}");
    }
    let error = Redis::builder().url("unix:///run/redis.sock").tls().build().unwrap_err();
    assert!(error.to_string().contains("can be encrypted"), "{error}");
}

//! TLS to the server: which certificates are trusted, and the handshake. Always rustls with ring, whatever other
//! crates of the program have chosen, so that no process-wide default is needed or set.

use std::fmt;
use std::io;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::socket2::SockRef;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisResult};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::dial::keepalive;

/// How a connection is encrypted, and whom it trusts.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ClientConfig>);

/// Who we are: a certificate and its private key, both as PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

impl Tls {
    /// Trusts the certificates in `roots` (PEM); without any, those that the system trusts. Proves to be `identity`, if asked.
    ///
    /// An error is a text for the user.
    pub(crate) fn trusting(roots: &[Vec<u8>], identity: Option<&Identity>) -> Result<Self, String> {
        let mut store = RootCertStore::empty();
        if roots.is_empty() {
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs);
            if store.is_empty() {
                return Err("this system has no trusted certificates; give `root_certificates`".to_owned());
            }
        }
        for pem in roots {
            let mut any = false;
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let trusted = certificate.is_ok_and(|certificate| store.add(certificate).is_ok());
                if !trusted {
                    return Err("a root certificate is damaged; give certificates as PEM".to_owned());
                }
                any = true;
            }
            if !any {
                return Err("the root certificates hold none; give them as PEM".to_owned());
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be used: {error}"))?
            .with_root_certificates(store);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let (certificates, key) = identity.read()?;
                // What rustls says of a pair that does not fit quotes neither.
                config
                    .with_client_auth_cert(certificates, key)
                    .map_err(|error| format!("the client certificate cannot be used: {error}"))?
            }
        };
        Ok(Self(Arc::new(config)))
    }

    /// A connection to a server that proves to be `host`.
    pub(crate) async fn connect(
        &self,
        host: &str,
        port: u16,
        settings: AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, "its name cannot be in a certificate")
        })?;
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let socket = SockRef::from(&stream);
        socket.set_tcp_keepalive(&keepalive())?;
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        socket.set_tcp_user_timeout(Some(crate::dial::USER_TIMEOUT))?;
        let stream = TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await?;
        let login = RedisConnectionInfo::default().set_skip_set_lib_name();
        let (connection, driver) = MultiplexedConnection::new_with_config(&login, stream, settings).await?;
        tokio::spawn(driver);
        Ok(connection)
    }
}

impl Identity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let certificates = certificates.ok().filter(|certificates| !certificates.is_empty());
        let certificates = certificates.ok_or("the client certificate is none; give it as PEM")?;
        let key = PrivateKeyDer::from_pem_slice(&self.key);
        let key = key.map_err(|_| "the key of the client certificate is none; give it as PEM")?;
        Ok((certificates, key))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

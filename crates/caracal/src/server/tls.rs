//! TLS on the doors: one certificate for all of them, taken anew when its files change.

mod certificate;
mod encrypted;
mod handshake;
mod reload;

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use tokio_rustls::TlsAcceptor;

use crate::failure::{Context, Outcome};

pub(crate) use certificate::{Certificate, TlsFiles};
pub(crate) use encrypted::Encrypted;
pub(crate) use reload::keep_fresh;

/// The end of TLS, shared by all doors.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
}

/// The certificate that the next connection is shown. Open connections keep theirs.
#[derive(Debug)]
struct Current(std::sync::RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let held = self.0.read();
        Some(Arc::clone(&held.unwrap_or_else(|held| held.into_inner())))
    }
}

impl Tls {
    /// TLS 1.2 and 1.3 with this certificate; HTTP/2 and HTTP/1.1 are offered.
    ///
    /// # Errors
    /// When the library for cryptography cannot do what these versions need.
    pub(crate) fn new(certificate: &Certificate) -> Outcome<Self> {
        let current = Arc::new(Current(Arc::clone(&certificate.key).into()));
        let resolver = Arc::clone(&current) as Arc<dyn ResolvesServerCert>;
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .context("TLS cannot be spoken")?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let tls = Self {
            acceptor: Arc::new(config).into(),
            current,
        };
        tls.show(certificate);
        Ok(tls)
    }

    /// Shows this certificate from now on.
    fn show(&self, certificate: &Certificate) {
        let held = self.current.0.write();
        *held.unwrap_or_else(|held| held.into_inner()) = Arc::clone(&certificate.key);
        if let Some(end) = certificate.not_after {
            #[expect(clippy::cast_precision_loss, reason = "a gauge, in seconds")]
            let end = end.as_second() as f64;
            metrics::gauge!("caracal_tls_certificate_expires_seconds").set(end);
        }
    }

    fn is_shown(&self, certificate: &Certificate) -> bool {
        let held = self.current.0.read();
        held.unwrap_or_else(|held| held.into_inner()).cert == certificate.key.cert
    }
}

//! Which certificates are trusted.

use std::sync::Arc;

use caracal_core::UpstreamProtocol;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::EgressError;

/// The largest `upstream_ca`, in bytes.
pub const MAX_CA_BYTES: usize = 64 * 1024;
const MAX_CA_CERTIFICATES: usize = 64;

/// TLS for clients that trust exactly `roots` and offer no protocol yet.
pub(crate) fn tls_config(roots: RootCertStore) -> Result<ClientConfig, EgressError> {
    // Named here, so that no process-wide default can bring another implementation.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| EgressError::NoRoots(error.to_string().into()))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// The same settings with what is offered for this protocol. Only an upstream that agrees to
/// `h2` is spoken to in it.
pub(crate) fn offering(mut config: ClientConfig, protocol: UpstreamProtocol) -> Arc<ClientConfig> {
    let offered: &[&[u8]] = match protocol {
        UpstreamProtocol::Auto | UpstreamProtocol::Http1 => &[b"http/1.1"],
        UpstreamProtocol::Http2 => &[b"h2"],
    };
    config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// The system's roots. Blocks: reads files.
pub(crate) fn system_roots() -> Result<RootCertStore, EgressError> {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        tracing::warn!(%error, "some of the system's trusted certificates could not be read");
    }
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(loaded.certs);
    if added == 0 {
        let why = loaded
            .errors
            .first()
            .map_or_else(|| "there are none".to_owned(), ToString::to_string);
        return Err(EgressError::NoRoots(why.into()));
    }
    Ok(roots)
}

/// The roots of a destination's own PEM text. One certificate that cannot be used refuses
/// the whole text: a destination must not trust less than was meant without anyone knowing.
pub(crate) fn own_roots(pem: &str) -> Result<RootCertStore, EgressError> {
    let bad = |why: String| EgressError::BadCa(why.into());
    if pem.len() > MAX_CA_BYTES {
        return Err(bad(format!("it is over {MAX_CA_BYTES} bytes")));
    }
    if pem.contains("PRIVATE KEY-----") {
        return Err(bad(
            "it holds a private key; give certificates only".to_owned()
        ));
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        if roots.len() == MAX_CA_CERTIFICATES {
            return Err(bad(format!(
                "it has over {MAX_CA_CERTIFICATES} certificates"
            )));
        }
        roots
            .add(certificate)
            .map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(bad("it has no certificate in PEM form".to_owned()));
    }
    Ok(roots)
}

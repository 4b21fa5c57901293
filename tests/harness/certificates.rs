//! Certificates of an authority that only a story trusts.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::Stack;

/// An authority of a story's own.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    /// Its certificate as PEM.
    pub file: PathBuf,
}

impl Authority {
    /// A new one, with its certificate in `dir/NAME.pem`.
    pub fn new(dir: &Path, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        let file = dir.join(format!("{name}.pem"));
        std::fs::write(&file, &pem).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            pem,
            file,
        }
    }

    /// A new one, with a certificate that the stack is to serve; it trusts the authority itself.
    pub fn serve(stack: &mut Stack) -> Self {
        let dir = stack.beside().to_owned();
        let authority = Self::new(&dir, "authority");
        let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        authority.issue(&certificate, &key);
        stack.set("CARACAL_TLS_CERT", certificate.to_str().unwrap());
        stack.set("CARACAL_TLS_KEY", key.to_str().unwrap());
        stack.set("SSL_CERT_FILE", authority.file.to_str().unwrap());
        authority
    }

    /// Writes a certificate for `localhost` and its key.
    pub fn issue(&self, certificate: &Path, key: &Path) {
        let own = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2100, 1, 1);
        let signed = params.signed_by(&own, &self.issuer).unwrap();
        std::fs::write(certificate, signed.pem()).unwrap();
        std::fs::write(key, own.serialize_pem()).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// What a TLS client needs that trusts this authority alone.
    pub fn client_config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap();
        roots.add(root).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider().into();
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// A client that trusts this authority alone.
    pub fn http(&self) -> reqwest::Client {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let root = reqwest::Certificate::from_pem(self.pem.as_bytes()).unwrap();
        reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([root])
            .build()
            .unwrap()
    }
}

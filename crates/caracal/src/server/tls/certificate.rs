//! Certificate and key, as their files have them.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error as TlsError, RootCertStore};
use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};

/// The largest file that is read.
const MAX_BYTES: u64 = 1024 * 1024;
/// A certificate with less time left is told about.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Later than any certificate that says when it ends: the year 9999.
const FAR_FUTURE: Duration = Duration::from_secs(253_402_300_799);

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The chain as PEM, the server's own certificate first.
    pub(crate) certificate: PathBuf,
    /// Its private key as PEM.
    pub(crate) key: PathBuf,
}

/// A certificate with its key.
pub(crate) struct Certificate {
    /// Both, as TLS needs them.
    pub(crate) key: Arc<CertifiedKey>,
    /// When it begins to hold, where it says so.
    pub(crate) not_before: Option<Timestamp>,
    /// When it ends, where it says so.
    pub(crate) not_after: Option<Timestamp>,
    /// True: other users can read the key.
    pub(crate) is_open: bool,
}

impl TlsFiles {
    /// Reads both files and checks that they belong together.
    ///
    /// # Errors
    /// When one cannot be read or understood, the key is another's, or others can write it. A certificate that holds
    /// no longer or not yet is none: clients tell by their own clocks.
    pub(crate) fn load(&self) -> Outcome<Certificate> {
        let (text, _) = read(&self.certificate, "CARACAL_TLS_CERT")?;
        let shown = self.certificate.display();
        let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
        let chain =
            chain.map_err(|error| Failure::usage(format!("`{shown}` is no PEM file: {error}")))?;
        let Some(first) = chain.first().cloned() else {
            return Err(
                Failure::usage(format!("`{shown}` holds no certificate")).hint(
                    "`CARACAL_TLS_CERT` names a PEM file with the chain, the server's own first",
                ),
            );
        };
        let (text, mode) = read(&self.key, "CARACAL_TLS_KEY")?;
        if mode & 0o022 != 0 {
            let key = self.key.display();
            return Err(
                Failure::usage(format!("other users can write the key `{key}`"))
                    .hint(format!("`chmod 600 {key}`")),
            );
        }
        let key = read_key(&text, &self.key)?;
        let key = CertifiedKey::from_der(chain, key, &default_provider())
            .map_err(|error| unusable(self, &error))?;
        let (not_before, not_after) = validity(&first);
        Ok(Certificate {
            key: Arc::new(key),
            not_before,
            not_after,
            is_open: mode & 0o077 != 0,
        })
    }
}

impl Certificate {
    /// What is worth telling of it now.
    pub(crate) fn find_warning(&self, files: &TlsFiles, now: Timestamp) -> Option<String> {
        let shown = files.certificate.display();
        match (self.not_before, self.not_after) {
            (_, Some(end)) if end <= now => {
                Some(format!("the certificate `{shown}` has expired: {end}"))
            }
            (Some(begin), _) if begin > now => Some(format!(
                "the certificate `{shown}` does not hold yet: {begin}"
            )),
            (_, Some(end)) if end.duration_since(now) < SOON => {
                Some(format!("the certificate `{shown}` expires soon: {end}"))
            }
            _ if self.is_open => Some(format!(
                "the key `{}` is open to other users",
                files.key.display()
            )),
            _ => None,
        }
    }
}

fn read(path: &Path, variable: &str) -> Outcome<(Zeroizing<Vec<u8>>, u32)> {
    let mut text = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| {
        let mode = file.metadata()?.mode();
        file.take(MAX_BYTES).read_to_end(&mut text)?;
        Ok(mode)
    });
    let mode = read.map_err(|error| {
        Failure::usage(format!("`{}` cannot be read: {error}", path.display()))
            .hint(format!("`{variable}` names a PEM file"))
    })?;
    Ok((text, mode))
}

fn read_key(text: &[u8], path: &Path) -> Outcome<PrivateKeyDer<'static>> {
    let shown = path.display();
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        PemError::NoItemsFound => Failure::usage(format!("`{shown}` holds no private key"))
            .hint("`CARACAL_TLS_KEY` names a PEM file with a key that no password protects"),
        // What stands in the file is not repeated.
        _ => Failure::usage(format!("`{shown}` is no PEM file")),
    })
}

fn unusable(files: &TlsFiles, error: &TlsError) -> Failure {
    let (certificate, key) = (files.certificate.display(), files.key.display());
    match error {
        TlsError::InconsistentKeys(_) => Failure::usage(format!(
            "the key `{key}` does not belong to the certificate `{certificate}`"
        ))
        .hint("the server's own certificate must be the first in its file"),
        error => Failure::usage(format!(
            "the certificate `{certificate}` and the key `{key}` cannot be used: {error}"
        ))
        .hint("keys of RSA, ECDSA and Ed25519 can be"),
    }
}

/// From when to when a certificate holds. TLS's own verifier tells, asked at the ends of time:
/// that it is too early or too late is the first thing it notices.
fn validity(certificate: &CertificateDer<'_>) -> (Option<Timestamp>, Option<Timestamp>) {
    let instant = |time: UnixTime| {
        let seconds = i64::try_from(time.as_secs()).ok()?;
        Timestamp::from_second(seconds).ok()
    };
    let begin = match refusal_at(certificate, Duration::ZERO) {
        Some(CertificateError::NotValidYetContext { not_before, .. }) => instant(not_before),
        _ => None,
    };
    let end = match refusal_at(certificate, FAR_FUTURE) {
        Some(CertificateError::ExpiredContext { not_after, .. }) => instant(not_after),
        _ => None,
    };
    (begin, end)
}

fn refusal_at(certificate: &CertificateDer<'_>, time: Duration) -> Option<CertificateError> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone().into_owned()).ok()?;
    let provider = Arc::new(default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .ok()?;
    let name = ServerName::try_from("localhost").ok()?;
    let time = UnixTime::since_unix_epoch(time);
    match verifier.verify_server_cert(certificate, &[], &name, &[], time) {
        Err(TlsError::InvalidCertificate(error)) => Some(error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    struct Files {
        dir: tempfile::TempDir,
        files: TlsFiles,
    }

    /// A pair that holds for the year 2026.
    fn files(certificate_of: &KeyPair, key: &str) -> Files {
        let dir = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: dir.path().join("cert.pem"),
            key: dir.path().join("key.pem"),
        };
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let certificate = params.self_signed(certificate_of).unwrap();
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key).unwrap();
        std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o600)).unwrap();
        Files { dir, files }
    }

    #[test]
    fn a_pair_tells_when_it_holds() {
        let key = KeyPair::generate().unwrap();
        let held = files(&key, &key.serialize_pem());
        let certificate = held.files.load().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(certificate.not_before, Some(at("2026-01-01T00:00:00Z")));
        assert_eq!(certificate.not_after, Some(at("2027-01-01T00:00:00Z")));
        for (now, wanted) in [
            ("2025-12-31T00:00:00Z", Some("does not hold yet")),
            ("2026-06-01T00:00:00Z", None),
            ("2026-12-30T00:00:00Z", Some("expires soon")),
            ("2027-01-01T00:00:00Z", Some("has expired")),
        ] {
            let warning = certificate.find_warning(&held.files, at(now));
            match wanted {
                Some(wanted) => assert!(warning.unwrap().contains(wanted), "{now}"),
                None => assert_eq!(warning, None),
            }
        }
        std::fs::set_permissions(&held.files.key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let warning = held.files.load().unwrap();
        let warning = warning.find_warning(&held.files, at("2026-06-01T00:00:00Z"));
        assert!(warning.unwrap().contains("open to other users"));
        std::fs::set_permissions(&held.files.key, std::fs::Permissions::from_mode(0o620)).unwrap();
        let refused = held.files.load().err().unwrap().message;
        assert!(refused.contains("other users can write"), "{refused}");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let refused = |held: &Files| held.files.load().err().unwrap().message;
        let mixed = files(&key, &other.serialize_pem());
        assert!(refused(&mixed).contains("does not belong"));
        let empty = files(&key, "");
        assert!(refused(&empty).contains("holds no private key"));
        let good = files(&key, &key.serialize_pem());
        std::fs::write(&good.files.certificate, "").unwrap();
        assert!(refused(&good).contains("holds no certificate"));
        std::fs::remove_file(&good.files.certificate).unwrap();
        let missing = refused(&good);
        assert!(
            missing.contains("cert.pem") && missing.contains("cannot be read"),
            "{missing}"
        );
        drop(good.dir);
    }
}

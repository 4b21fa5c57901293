//! The names and keys of C2SP signed notes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use caracal_core::LogId;
use caracal_crypto::verify_log_signature;
use signed_note::{Verifier, is_key_name_valid};

use crate::LedgerError;

/// The algorithm byte of Ed25519 in a note key.
const ED25519: u8 = 1;

/// The origin of a log: the host (with its port) of the issuer, a slash, and the log's id.
/// White space, control characters and `+`, which no origin may have, become `-`.
pub fn origin_of(issuer_host: &str, log: LogId) -> String {
    let host = issuer_host.replace(
        |c: char| c.is_whitespace() || c.is_control() || c == '+',
        "-",
    );
    format!("{host}/{log}")
}

/// The C2SP verifier key (vkey) of a log: `origin+hash+key`.
pub fn verifier_key(origin: &str, public: &[u8; 32]) -> String {
    let key = encoded(public);
    format!(
        "{origin}+{:08x}+{}",
        key_id(origin, public),
        STANDARD.encode(key)
    )
}

pub(crate) fn key_id(origin: &str, public: &[u8; 32]) -> u32 {
    signed_note::key_id(origin, &encoded(public))
}

pub(crate) fn check_origin(origin: &str) -> Result<(), LedgerError> {
    if origin.len() > 255 || origin.chars().any(char::is_control) || !is_key_name_valid(origin) {
        return Err(LedgerError::BadOrigin(
            origin
                .chars()
                .filter(|c| !c.is_control())
                .take(80)
                .collect(),
        ));
    }
    Ok(())
}

fn encoded(public: &[u8; 32]) -> Vec<u8> {
    [&[ED25519], public.as_slice()].concat()
}

/// Verifies the notes of one key, with the signatures of `caracal-crypto`.
#[derive(Debug, Clone)]
pub(crate) struct NoteVerifier {
    origin: String,
    id: u32,
    public: [u8; 32],
}

impl NoteVerifier {
    pub(crate) fn parse(vkey: &str) -> Result<Self, LedgerError> {
        let refuse = LedgerError::BadVerifierKey;
        // A file that holds a key ends with a newline.
        let mut parts = vkey.trim_end().splitn(3, '+');
        let (Some(origin), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refuse("it has not three parts"));
        };
        check_origin(origin)?;
        let key = (key.len() == 44)
            .then(|| STANDARD.decode(key).ok())
            .flatten();
        let key = key.ok_or(refuse("its key is not base64 of 33 bytes"))?;
        let (&algorithm, public) = key.split_first().ok_or(refuse("its key is empty"))?;
        if algorithm != ED25519 {
            return Err(refuse("its algorithm is another"));
        }
        let public: [u8; 32] = public
            .try_into()
            .map_err(|_| refuse("its key has not 32 bytes"))?;
        if id != format!("{:08x}", key_id(origin, &public)) {
            return Err(refuse("its hash does not fit"));
        }
        Ok(Self {
            origin: origin.to_owned(),
            id: key_id(origin, &public),
            public,
        })
    }
}

impl Verifier for NoteVerifier {
    fn name(&self) -> &str {
        &self.origin
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, msg: &[u8], sig: &[u8]) -> bool {
        verify_log_signature(&self.public, msg, sig)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId::from_uuid(uuid::Uuid::nil());

    #[test]
    fn another_implementation_reads_our_keys() {
        let (_, signer) = caracal_crypto::LogSigner::generate().unwrap();
        let vkey = verifier_key("localhost:8080/log", &signer.public());
        let theirs = signed_note::StandardVerifier::new(&vkey).unwrap();
        let ours = NoteVerifier::parse(&vkey).unwrap();
        assert_eq!(
            (theirs.name(), theirs.key_id()),
            (ours.name(), ours.key_id())
        );
        assert!(theirs.verify(b"m", &signer.sign(b"m")) && ours.verify(b"m", &signer.sign(b"m")));
        assert!(!ours.verify(b"n", &signer.sign(b"m")));
    }

    #[test]
    fn an_origin_is_always_a_key_name() {
        assert_eq!(
            origin_of("localhost:8080", LOG),
            format!("localhost:8080/{LOG}")
        );
        assert!(check_origin(&origin_of("a b+c\n\u{7}", LOG)).is_ok());
        for bad in ["", "a b", "a+b", "a\n", "a\u{7}", &"a".repeat(256)] {
            assert!(check_origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn damaged_keys_are_refused() {
        let good = verifier_key("o", &[7; 32]);
        assert!(NoteVerifier::parse(&format!("{good}\n")).is_ok());
        let other_algorithm = format!("o+{:08x}+{}", 0, STANDARD.encode([2; 33]));
        for bad in [
            "",
            "o",
            "o+1",
            &good.replacen('o', "p", 1),
            &good[..good.len() - 1],
            &other_algorithm,
            &format!("{good}A"),
        ] {
            assert!(NoteVerifier::parse(bad).is_err(), "{bad}");
        }
    }
}

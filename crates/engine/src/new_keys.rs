//! Making the keys of a zone, whether it is served yet or not.

use caracal_core::{KeyId, LogId, LogKey, MandateKey, ZoneId};
use caracal_crypto::{Keyring, LogSigner, MandateSigner};
use jiff::Timestamp;

use crate::view::ZoneKeys;

/// A new key that signs mandates from a time on.
pub(crate) fn mandate_key(
    keyring: &Keyring,
    zone: ZoneId,
    created_at: Timestamp,
    signs_from: Timestamp,
) -> Result<MandateKey, String> {
    let made = MandateSigner::generate().map_err(|e| e.to_string())?;
    Ok(MandateKey {
        id: KeyId::new(created_at, &caracal_crypto::random_bytes()),
        created_at,
        public: made.public,
        private: keyring
            .seal(&made.private, &ZoneKeys::context(zone, "mandate-key"))
            .map_err(|e| e.to_string())?,
        signs_from,
    })
}

/// A new log with its key; `host` stands in the origin of its checkpoints.
pub(crate) fn log_key(
    keyring: &Keyring,
    zone: ZoneId,
    created_at: Timestamp,
    host: &str,
) -> Result<LogKey, String> {
    let id = LogId::new(created_at, &caracal_crypto::random_bytes());
    let (seed, signer) = LogSigner::generate().map_err(|e| e.to_string())?;
    let origin = caracal_ledger::origin_of(host, id);
    let verifier = caracal_ledger::verifier_key(&origin, &signer.public());
    let private = keyring
        .seal(&seed, &ZoneKeys::context(zone, "log-key"))
        .map_err(|e| e.to_string())?;
    Ok(LogKey {
        id,
        created_at,
        origin,
        verifier,
        private,
    })
}

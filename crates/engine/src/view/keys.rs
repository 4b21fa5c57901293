//! The opened keys of a zone.

use caracal_core::{KeyId, Secret, Zone, ZoneId};
use caracal_crypto::{Keyring, MandateSigner, PublicKey, SealContext};
use jiff::Timestamp;

use crate::StartError;
use crate::proof::nonce_key;

/// What a zone signs and verifies with.
pub(crate) struct ZoneKeys {
    /// Newest first, each with the time from which on it signs.
    signers: Vec<(Timestamp, MandateSigner)>,
    pub(crate) public: Vec<(KeyId, PublicKey)>,
    pub(crate) digest: Secret,
    /// For the nonces of proofs.
    pub(crate) nonce: Secret,
    /// For the ids of Subjects. It must stay the same for the life of the zone.
    pub(crate) subject: Secret,
}

impl ZoneKeys {
    /// What the seal of a zone's own keys is bound to.
    pub(crate) fn context(zone: ZoneId, purpose: &str) -> SealContext {
        SealContext::new(zone, purpose)
    }

    pub(crate) fn open(zone: &Zone, keyring: &Keyring) -> Result<Self, StartError> {
        let sealed = |why: String| StartError::Keys {
            zone: zone.name.clone(),
            why,
        };
        let mut signers = Vec::with_capacity(zone.mandate_keys.len());
        let mut public = Vec::with_capacity(zone.mandate_keys.len());
        for key in &zone.mandate_keys {
            let private = keyring
                .open(&key.private, &Self::context(zone.id, "mandate-key"))
                .map_err(|e| sealed(e.to_string()))?;
            let signer =
                MandateSigner::from_pkcs8(key.id, &private).map_err(|e| sealed(e.to_string()))?;
            signers.push((key.signs_from, signer));
            let opened =
                PublicKey::from_public(key.id, &key.public).map_err(|e| sealed(e.to_string()))?;
            public.push((key.id, opened));
        }
        if signers.is_empty() {
            return Err(sealed("the zone has no mandate key".to_owned()));
        }
        let digest = keyring
            .open(&zone.digest_key, &Self::context(zone.id, "digest-key"))
            .map_err(|e| sealed(e.to_string()))?;
        Ok(Self {
            signers,
            public,
            nonce: nonce_key(&digest),
            subject: Secret::new(
                caracal_crypto::keyed_digest(&digest, b"caracal subject key").to_vec(),
            ),
            digest,
        })
    }

    /// The newest key whose time has come. A clock that stands before every key's time signs
    /// with the oldest, which verifiers have had longest.
    pub(crate) fn signer(&self, now: Timestamp) -> Option<&MandateSigner> {
        let due = self.signers.iter().find(|(from, _)| *from <= now);
        due.or(self.signers.last()).map(|(_, signer)| signer)
    }

    pub(crate) fn find(&self, kid: KeyId) -> Option<&PublicKey> {
        self.public
            .iter()
            .find(|(id, _)| *id == kid)
            .map(|(_, key)| key)
    }
}

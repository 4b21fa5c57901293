//! The opened keys of a zone.

use caracal_core::{KeyId, Secret, Zone, ZoneId};
use caracal_crypto::{Keyring, MandateSigner, PublicKey, SealContext};

use crate::StartError;

/// What a zone signs and verifies with.
pub(crate) struct ZoneKeys {
    pub(crate) signer: MandateSigner,
    pub(crate) public: Vec<(KeyId, PublicKey)>,
    pub(crate) digest: Secret,
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
        let current = zone
            .mandate_keys
            .first()
            .ok_or_else(|| sealed("the zone has no mandate key".to_owned()))?;
        let private = keyring
            .open(&current.private, &Self::context(zone.id, "mandate-key"))
            .map_err(|e| sealed(e.to_string()))?;
        let signer =
            MandateSigner::from_pkcs8(current.id, &private).map_err(|e| sealed(e.to_string()))?;
        let mut public = Vec::with_capacity(zone.mandate_keys.len());
        for key in &zone.mandate_keys {
            let opened =
                PublicKey::from_public(key.id, &key.public).map_err(|e| sealed(e.to_string()))?;
            public.push((key.id, opened));
        }
        let digest = keyring
            .open(&zone.digest_key, &Self::context(zone.id, "digest-key"))
            .map_err(|e| sealed(e.to_string()))?;
        Ok(Self {
            signer,
            public,
            digest,
        })
    }

    pub(crate) fn find(&self, kid: KeyId) -> Option<&PublicKey> {
        self.public
            .iter()
            .find(|(id, _)| *id == kid)
            .map(|(_, key)| key)
    }
}

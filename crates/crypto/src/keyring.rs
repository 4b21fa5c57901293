//! Envelope encryption of the secrets at rest.
//!
//! The text of a seal is base64url of
//! `version (1) | master key id (8) | nonce (12), wrapped data key (32), tag (16) | nonce (12), secret, tag (16)`,
//! all AES-256-GCM. Both layers authenticate the version, the master key's id and the context.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use caracal_core::{SealedSecret, Secret};
use zeroize::Zeroizing;

use crate::{Credential, MasterKey, SealContext, SealError, base64url, hex, random_bytes};

/// The longest plaintext that can be sealed, in bytes.
pub const MAX_SEALED_BYTES: usize = 8 * 1024 * 1024;

const VERSION: u8 = 1;
const ID_LEN: usize = 8;
const KEY_LEN: usize = 32;
const TAG_LEN: usize = 16;
const HEADER_LEN: usize = 1 + ID_LEN;
const WRAPPED_LEN: usize = NONCE_LEN + KEY_LEN + TAG_LEN;

/// The master key that seals, and older ones that only open.
pub struct Keyring {
    current: Arc<MasterKey>,
    older: Vec<Arc<MasterKey>>,
}

impl Keyring {
    /// A ring with one key.
    pub fn new(current: MasterKey) -> Self {
        Self {
            current: Arc::new(current),
            older: Vec::new(),
        }
    }

    /// Adds a key that only opens what it sealed before.
    #[must_use]
    pub fn with_older(mut self, older: MasterKey) -> Self {
        let held = std::iter::once(&self.current).chain(&self.older);
        // The same key twice, as a rotation that was interrupted leaves it, is one key.
        if !held.into_iter().any(|key| key.id() == older.id()) {
            self.older.push(Arc::new(older));
        }
        self
    }

    /// The ring after a rotation: `next` seals, and every key of this ring still opens.
    #[must_use]
    pub fn rotated(&self, next: MasterKey) -> Self {
        let older = std::iter::once(&self.current).chain(&self.older);
        Self {
            older: older.filter(|key| key.id() != next.id()).cloned().collect(),
            current: Arc::new(next),
        }
    }

    /// The public name of the key that seals, in hex.
    pub fn current_id(&self) -> String {
        hex(&self.current.id())
    }

    /// The public names of the keys that only open, in hex.
    pub fn older_ids(&self) -> Vec<String> {
        self.older.iter().map(|key| hex(&key.id())).collect()
    }

    /// True when the ring has the key of this name.
    pub fn knows(&self, id: &str) -> bool {
        self.current_id() == id || self.older_ids().iter().any(|held| held == id)
    }

    /// The public name of the master key that a seal was made under, in hex; none for what is
    /// no seal.
    pub fn master_key_of(sealed: &SealedSecret) -> Option<String> {
        id_of(sealed).map(|id| hex(&id))
    }

    /// The same secret for the same context, sealed under the current key.
    pub fn reseal(
        &self,
        sealed: &SealedSecret,
        ctx: &SealContext,
    ) -> Result<SealedSecret, SealError> {
        self.seal(&self.open(sealed, ctx)?, ctx)
    }

    /// Seals a secret of at most [`MAX_SEALED_BYTES`] under the current key and a fresh
    /// data key. Sealing the same secret twice gives different texts.
    pub fn seal(&self, plain: &Secret, ctx: &SealContext) -> Result<SealedSecret, SealError> {
        if plain.expose().len() > MAX_SEALED_BYTES {
            return Err(SealError::Malformed);
        }
        let id = self.current.id();
        let wrapping = self.current.cipher().ok_or(SealError::Refused)?;
        let ctx = &ctx.bytes();
        let data_key = Zeroizing::new(random_bytes::<KEY_LEN>());
        let mut envelope = vec![VERSION];
        envelope.extend(id);
        envelope.extend(encrypt(
            wrapping,
            &aad(Layer::DataKey, id, ctx),
            data_key.as_slice(),
        )?);
        let sealing = cipher(data_key.as_slice())?;
        envelope.extend(encrypt(
            &sealing,
            &aad(Layer::Secret, id, ctx),
            plain.expose(),
        )?);
        Ok(SealedSecret(base64url::encode(&envelope)))
    }

    /// Opens a seal for the context it was made for.
    pub fn open(&self, sealed: &SealedSecret, ctx: &SealContext) -> Result<Secret, SealError> {
        let envelope = Envelope::parse(sealed)?;
        let master = self.find(envelope.id).ok_or(SealError::UnknownMasterKey)?;
        let wrapping = master.cipher().ok_or(SealError::Refused)?;
        let ctx = &ctx.bytes();
        let data_key = decrypt(
            wrapping,
            &aad(Layer::DataKey, envelope.id, ctx),
            &envelope.wrapped,
        )?;
        let sealing = cipher(data_key.expose())?;
        decrypt(
            &sealing,
            &aad(Layer::Secret, envelope.id, ctx),
            &envelope.secret,
        )
    }

    /// Opens the seal of a provider's credential.
    pub fn open_credential(
        &self,
        sealed: &SealedSecret,
        ctx: &SealContext,
    ) -> Result<Credential, SealError> {
        self.open(sealed, ctx).map(Credential::new)
    }

    /// True when the seal was made under the current key. What is not should be sealed again.
    pub fn is_current(&self, sealed: &SealedSecret) -> bool {
        id_of(sealed).is_some_and(|id| id == self.current.id())
    }

    fn find(&self, id: [u8; ID_LEN]) -> Option<&Arc<MasterKey>> {
        std::iter::once(&self.current)
            .chain(&self.older)
            .find(|key| key.id() == id)
    }
}

/// Reads no more than the header: there may be thousands of seals to look at.
fn id_of(sealed: &SealedSecret) -> Option<[u8; ID_LEN]> {
    const TEXT_LEN: usize = HEADER_LEN / 3 * 4;
    let bytes = base64url::decode(sealed.0.get(..TEXT_LEN)?)?;
    let (&version, id) = bytes.split_first()?;
    id.try_into().ok().filter(|_| version == VERSION)
}

struct Envelope {
    id: [u8; ID_LEN],
    wrapped: Vec<u8>,
    secret: Vec<u8>,
}

impl Envelope {
    fn parse(sealed: &SealedSecret) -> Result<Self, SealError> {
        const MAX_BYTES: usize = HEADER_LEN + WRAPPED_LEN + NONCE_LEN + MAX_SEALED_BYTES + TAG_LEN;
        if sealed.0.len() > MAX_BYTES.div_ceil(3) * 4 {
            return Err(SealError::Malformed);
        }
        let bytes = base64url::decode(&sealed.0).ok_or(SealError::Malformed)?;
        let (&version, rest) = bytes.split_first().ok_or(SealError::Malformed)?;
        let (id, rest) = rest
            .split_first_chunk::<ID_LEN>()
            .ok_or(SealError::Malformed)?;
        let (wrapped, secret) = rest
            .split_at_checked(WRAPPED_LEN)
            .ok_or(SealError::Malformed)?;
        if version != VERSION || secret.len() < NONCE_LEN + TAG_LEN {
            return Err(SealError::Malformed);
        }
        Ok(Self {
            id: *id,
            wrapped: wrapped.to_vec(),
            secret: secret.to_vec(),
        })
    }
}

#[derive(Clone, Copy)]
enum Layer {
    DataKey,
    Secret,
}

fn aad(layer: Layer, id: [u8; ID_LEN], ctx: &[u8]) -> Vec<u8> {
    // Labels of one length, so that what follows starts at the same place in both layers.
    let label = match layer {
        Layer::DataKey => b"caracal seal key",
        Layer::Secret => b"caracal seal txt",
    };
    [label.as_slice(), &[VERSION], &id, ctx].concat()
}

fn cipher(key: &[u8]) -> Result<RandomizedNonceKey, SealError> {
    RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| SealError::Refused)
}

fn encrypt(key: &RandomizedNonceKey, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    // In place over a buffer that is wiped on every way out.
    let mut buffer = Zeroizing::new(plain.to_vec());
    let (nonce, tag) = key
        .seal_in_place_separate_tag(Aad::from(aad), buffer.as_mut_slice())
        .map_err(|_| SealError::Refused)?;
    Ok([nonce.as_ref().as_slice(), buffer.as_slice(), tag.as_ref()].concat())
}

fn decrypt(key: &RandomizedNonceKey, aad: &[u8], sealed: &[u8]) -> Result<Secret, SealError> {
    let (nonce, text) = sealed
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(SealError::Malformed)?;
    let mut buffer = Zeroizing::new(text.to_vec());
    let plain = key
        .open_in_place(Nonce::from(nonce), Aad::from(aad), buffer.as_mut_slice())
        .map_err(|_| SealError::Refused)?;
    Ok(Secret::new(plain.to_vec()))
}

#[cfg(test)]
mod tests;

//! The key that wraps every other key of the instance.

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use caracal_core::Secret;
use zeroize::Zeroizing;

use crate::{KeyError, keyed_digest, random_bytes};

/// The 32-byte key that wraps the data key of every sealed secret. It lives outside the
/// database, cannot be printed or cloned, and is wiped when it goes.
pub struct MasterKey {
    bytes: Secret,
    /// The same key, expanded once; the library wipes it too.
    cipher: Option<RandomizedNonceKey>,
    id: [u8; 8],
}

impl MasterKey {
    /// A new random key.
    pub fn generate() -> Self {
        let bytes = Zeroizing::new(random_bytes::<32>());
        Self::with(bytes.to_vec())
    }

    /// The key with exactly these 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() != 32 {
            return Err(KeyError::MasterKeyLength);
        }
        Ok(Self::with(bytes.to_vec()))
    }

    /// Reads a key from base64 (either alphabet, padded or not) or from 64 hex digits.
    /// White space around it is ignored.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        // 64 hex digits are base64 of 48 bytes as well, which would not be a key.
        if text.len() == 64 {
            return Self::from_bytes(&hex_bytes(text).ok_or(KeyError::MasterKeyLength)?);
        }
        let alphabet = if text.contains(['-', '_']) {
            &alphabet::URL_SAFE
        } else {
            &alphabet::STANDARD
        };
        let config =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let bytes = GeneralPurpose::new(alphabet, config)
            .decode(text)
            .map(Zeroizing::new);
        Self::from_bytes(&bytes.map_err(|_| KeyError::MasterKeyLength)?)
    }

    /// The key as text for [`MasterKey::from_text`].
    pub fn to_text(&self) -> Secret {
        Secret::from(crate::base64url::encode(self.bytes.expose()))
    }

    /// A public name of the key that tells nothing about it.
    pub fn id(&self) -> [u8; 8] {
        self.id
    }

    pub(crate) fn cipher(&self) -> Option<&RandomizedNonceKey> {
        self.cipher.as_ref()
    }

    fn with(bytes: Vec<u8>) -> Self {
        let bytes = Secret::new(bytes);
        let digest = keyed_digest(&bytes, b"caracal master key id v1");
        let mut id = [0; 8];
        for (to, from) in id.iter_mut().zip(digest) {
            *to = from;
        }
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, bytes.expose()).ok();
        Self { bytes, cipher, id }
    }
}

fn hex_bytes(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()));
    let digits = Zeroizing::new(digits.collect::<Option<Vec<u8>>>()?);
    let pairs = digits.chunks_exact(2);
    Some(Zeroizing::new(
        pairs
            .map(|pair| pair.iter().fold(0, |byte, digit| (byte << 4) | digit))
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;

    #[test]
    fn a_key_reads_back_from_every_text_form() {
        // Chosen so that both base64 alphabets differ.
        let bytes = [0xfb, 0xff].repeat(16);
        let key = MasterKey::from_bytes(&bytes).unwrap();
        let standard = base64::engine::general_purpose::STANDARD.encode(&bytes);
        for text in [
            key.to_text().expose_str().unwrap().to_owned(),
            standard.trim_end_matches('=').to_owned(),
            format!(" {standard}\n"),
            hex(&bytes),
            hex(&bytes).to_uppercase(),
        ] {
            let read = MasterKey::from_text(&text).unwrap();
            assert_eq!(read.bytes.expose(), bytes);
            assert_eq!(read.id(), key.id());
        }
    }

    #[test]
    fn only_32_bytes_are_a_key() {
        assert!(MasterKey::from_bytes(&[1; 31]).is_err());
        assert!(MasterKey::from_bytes(&[1; 33]).is_err());
        for text in [
            "",
            "x",
            "deadbeef",
            &"g".repeat(64),
            &"é".repeat(32),
            &"A".repeat(44),
            &"A".repeat(10_000),
        ] {
            assert_eq!(
                MasterKey::from_text(text).err(),
                Some(KeyError::MasterKeyLength)
            );
        }
    }

    #[test]
    fn keys_differ_and_their_ids_too() {
        let (a, b) = (MasterKey::generate(), MasterKey::generate());
        assert_ne!(a.bytes.expose(), b.bytes.expose());
        assert_ne!(a.id(), b.id());
        assert!(!hex(a.bytes.expose()).contains(&hex(&a.id())));
    }
}

//! The key of a log.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use caracal_core::Secret;
use zeroize::Zeroizing;

use crate::{KeyError, random_bytes};

/// An Ed25519 key that signs the checkpoints of one log. It never signs mandates.
pub struct LogSigner {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

impl LogSigner {
    /// A new key and its 32-byte seed, which is to be sealed and then forgotten.
    pub fn generate() -> Result<(Secret, Self), KeyError> {
        let random = Zeroizing::new(random_bytes::<32>());
        let seed = Secret::new(random.to_vec());
        let signer = Self::from_seed(&seed)?;
        Ok((seed, signer))
    }

    /// The key with this seed.
    pub fn from_seed(seed: &Secret) -> Result<Self, KeyError> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| KeyError::Malformed)?;
        let public = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| KeyError::Malformed)?;
        Ok(Self { pair, public })
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// The 64-byte signature of a message.
    pub fn sign(&self, msg: &[u8]) -> Vec<u8> {
        self.pair.sign(msg).as_ref().to_vec()
    }
}

/// True when the signature of the message was made by the key.
pub fn verify_log_signature(public: &[u8; 32], msg: &[u8], sig: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public)
        .verify(msg, sig)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2)
            .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn signatures_match_rfc_8032() {
        // RFC 8032, section 7.1, test 2.
        let seed = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let signer = LogSigner::from_seed(&Secret::new(seed)).unwrap();
        assert_eq!(
            signer.public().to_vec(),
            bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
        );
        assert_eq!(
            signer.sign(&[0x72]),
            bytes(
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                 085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            )
        );
    }

    #[test]
    fn only_the_same_key_message_and_signature_verify() {
        let (seed, signer) = LogSigner::generate().unwrap();
        let sig = LogSigner::from_seed(&seed).unwrap().sign(b"m");
        assert!(verify_log_signature(&signer.public(), b"m", &sig));
        assert!(!verify_log_signature(&signer.public(), b"n", &sig));
        assert!(!verify_log_signature(&signer.public(), b"m", &sig[..63]));
        assert!(!verify_log_signature(&signer.public(), b"m", b""));
        assert!(!verify_log_signature(
            &LogSigner::generate().unwrap().1.public(),
            b"m",
            &sig
        ));
        assert!(!verify_log_signature(&[0; 32], b"m", &[0; 64]));
        assert!(LogSigner::from_seed(&Secret::new(vec![1; 31])).is_err());
    }
}

//! The key that signs the mandates of a zone.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use caracal_core::{KeyId, MandateClaims, Secret};
use serde::Serialize;

use crate::{KeyError, MAX_MANDATE_BYTES, base64url};

/// A new ES256 key: seal the private part, store both.
pub struct NewMandateKey {
    /// The uncompressed public point, base64url without padding.
    pub public: String,
    /// The PKCS#8 private key.
    pub private: Secret,
}

/// Signs mandates with ES256 under one key of a zone.
pub struct MandateSigner {
    pair: EcdsaKeyPair,
    kid: KeyId,
    header: String,
}

#[derive(Serialize)]
struct JoseHeader {
    typ: &'static str,
    alg: &'static str,
    kid: KeyId,
}

impl MandateSigner {
    /// Makes a new key.
    pub fn generate() -> Result<NewMandateKey, KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| KeyError::Failed)?;
        let private = pair.to_pkcs8v1().map_err(|_| KeyError::Failed)?;
        Ok(NewMandateKey {
            public: base64url::encode(pair.public_key().as_ref()),
            private: Secret::new(private.as_ref().to_vec()),
        })
    }

    /// The signer with this private key, whose public part verifiers know as `kid`.
    pub fn from_pkcs8(kid: KeyId, private: &Secret) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.expose())
            .map_err(|_| KeyError::Malformed)?;
        let header = encode(&JoseHeader {
            typ: "at+jwt",
            alg: "ES256",
            kid,
        })?;
        Ok(Self { pair, kid, header })
    }

    /// The id of the key.
    pub fn kid(&self) -> KeyId {
        self.kid
    }

    /// The mandate with these claims.
    ///
    /// # Errors
    /// `MandateTooLong` beyond [`MAX_MANDATE_BYTES`], since no verifier would read it.
    pub fn sign(&self, claims: &MandateClaims) -> Result<String, KeyError> {
        let mut text = format!("{}.{}", self.header, encode(claims)?);
        // The signature is 64 bytes: a dot and 86 characters more.
        if text.len() + 87 > MAX_MANDATE_BYTES {
            return Err(KeyError::MandateTooLong);
        }
        let signature = self
            .pair
            .sign(&SystemRandom::new(), text.as_bytes())
            .map_err(|_| KeyError::Failed)?;
        text.push('.');
        text.push_str(&base64url::encode(signature.as_ref()));
        Ok(text)
    }
}

fn encode(part: &impl Serialize) -> Result<String, KeyError> {
    serde_json::to_vec(part)
        .map(|json| base64url::encode(&json))
        .map_err(|_| KeyError::Failed)
}

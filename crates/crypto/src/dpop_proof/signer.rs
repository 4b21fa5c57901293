//! The client's side: a key, and proofs of having it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde::Serialize;
use serde_json::{Value, json};

use super::DpopKey;
use crate::{KeyError, base64url};

/// An ES256 key that stays in this process, and signs proofs.
pub struct DpopSigner {
    pair: EcdsaKeyPair,
    header: String,
    jwk: Value,
    thumbprint: String,
}

impl DpopSigner {
    /// Makes a new key.
    ///
    /// # Errors
    /// When the library cannot make one.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| KeyError::Failed)?;
        let point = pair.public_key().as_ref();
        let coordinates = point.get(1..).and_then(|both| both.split_at_checked(32));
        let (x, y) = coordinates.ok_or(KeyError::Malformed)?;
        let (x, y) = (base64url::encode(x), base64url::encode(y));
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": &jwk });
        let header = base64url::encode(header.to_string().as_bytes());
        let key = DpopKey::read(&header).map_err(|_| KeyError::Malformed)?;
        Ok(Self {
            thumbprint: key.thumbprint().to_owned(),
            pair,
            header,
            jwk,
        })
    }

    /// The key's thumbprint: the `jkt` of mandates that are bound to it.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Its public half as a JWK.
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// The proof with these claims (RFC 9449, 4.2).
    ///
    /// # Errors
    /// When they are no JSON.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, KeyError> {
        self.sign_parts(&self.header, claims)
    }

    /// Any other token with this header and these claims, as a client or an issuer makes it.
    ///
    /// # Errors
    /// When they are no JSON.
    pub fn sign_token(
        &self,
        header: &impl Serialize,
        claims: &impl Serialize,
    ) -> Result<String, KeyError> {
        let header = serde_json::to_vec(header).map_err(|_| KeyError::Failed)?;
        self.sign_parts(&base64url::encode(&header), claims)
    }

    fn sign_parts(&self, header: &str, claims: &impl Serialize) -> Result<String, KeyError> {
        let claims = serde_json::to_vec(claims).map_err(|_| KeyError::Failed)?;
        let signed = format!("{header}.{}", base64url::encode(&claims));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .map_err(|_| KeyError::Failed)?;
        Ok(format!(
            "{signed}.{}",
            base64url::encode(signature.as_ref())
        ))
    }
}

//! The key that a proof brings along.

use aws_lc_rs::signature::ParsedPublicKey;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::DpopError;
use crate::base64url;
use crate::public_jwk::{has_private_part, normalize, parse_algorithm, parse_curve_key};

/// The algorithms that proofs may be signed with, as metadata names them; `EdDSA` and `Ed25519` are
/// one.
pub const DPOP_ALGORITHMS: [&str; 5] = ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"];

/// The header of a proof, read and checked: whose key it brings, and how that signs. Reading
/// one is the dearer part of a proof, and a client sends the same header again and again.
#[derive(Debug, Clone)]
pub struct DpopKey {
    header: String,
    algorithm: Algorithm,
    /// Ready to verify with, where it is on a curve: parsing it anew for each proof is a part of
    /// what that costs.
    parsed: Option<ParsedPublicKey>,
    decoding: DecodingKey,
    thumbprint: String,
}

#[derive(Deserialize)]
struct JoseHeader {
    typ: Option<String>,
    alg: String,
    jwk: Option<Map<String, Value>>,
    #[serde(default)]
    crit: Option<Value>,
}

impl DpopKey {
    pub(super) fn read(part: &str) -> Result<Self, DpopError> {
        let header: JoseHeader = super::proof::read(part)?;
        if header.typ.as_deref() != Some("dpop+jwt") || header.crit.is_some() {
            return Err(DpopError::Malformed);
        }
        let algorithm = parse_algorithm(&header.alg).ok_or(DpopError::WrongAlgorithm)?;
        let jwk = header.jwk.ok_or(DpopError::Malformed)?;
        if has_private_part(&jwk) {
            return Err(DpopError::PrivateKey);
        }
        // Only what the thumbprint covers goes on, in its one spelling.
        let public = normalize(algorithm, &jwk).ok_or(DpopError::WrongKey)?;
        let parsed = parse_curve_key(algorithm, &public);
        let public: Jwk =
            serde_json::from_value(Value::Object(public)).map_err(|_| DpopError::WrongKey)?;
        let decoding = DecodingKey::from_jwk(&public).map_err(|_| DpopError::WrongKey)?;
        let thumbprint = public
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(|_| DpopError::WrongKey)?;
        Ok(Self {
            header: part.to_owned(),
            algorithm,
            parsed,
            decoding,
            thumbprint,
        })
    }

    /// The key's SHA-256 thumbprint (RFC 7638), base64url without padding: the `jkt` of mandates
    /// that are bound to it.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// True when it was read from this part of a proof.
    pub(super) fn is_of(&self, part: &str) -> bool {
        self.header == part
    }

    pub(super) fn verifies(&self, signed: &str, signature: &str) -> bool {
        let (key, signed) = (&self.decoding, signed.as_bytes());
        if let Some(parsed) = &self.parsed {
            let signature = base64url::decode(signature);
            return signature.is_some_and(|bytes| parsed.verify_sig(signed, &bytes).is_ok());
        }
        jsonwebtoken::crypto::verify(signature, signed, key, self.algorithm).unwrap_or(false)
    }
}

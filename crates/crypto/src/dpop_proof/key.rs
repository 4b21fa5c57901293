//! The key that a proof brings along.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, VerificationAlgorithm,
};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::DpopError;
use crate::base64url;

/// The algorithms that proofs may be signed with, as metadata names them.
pub const DPOP_ALGORITHMS: [&str; 4] = ["ES256", "EdDSA", "RS256", "PS256"];

/// The members of a JWK that are private or symmetric (RFC 7518).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// The sizes of RSA moduli in bytes: a larger one costs more to verify with than a call.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
/// The only exponent that RSA keys have in practice, 65537.
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

/// The header of a proof, read and checked: whose key it brings, and how that signs. Reading
/// one is the dearer part of a proof, and a client sends the same header again and again.
#[derive(Debug, Clone)]
pub struct DpopKey {
    header: String,
    algorithm: Algorithm,
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
        let algorithm = match header.alg.as_str() {
            "ES256" => Algorithm::ES256,
            "EdDSA" => Algorithm::EdDSA,
            "RS256" => Algorithm::RS256,
            "PS256" => Algorithm::PS256,
            _ => return Err(DpopError::WrongAlgorithm),
        };
        let jwk = header.jwk.ok_or(DpopError::Malformed)?;
        if PRIVATE.iter().any(|member| jwk.contains_key(*member)) {
            return Err(DpopError::PrivateKey);
        }
        // Only what the thumbprint covers goes on, in its one spelling.
        let public = match algorithm {
            Algorithm::ES256 => ec(&jwk),
            Algorithm::EdDSA => okp(&jwk),
            _ => rsa(&jwk),
        };
        let public = public.ok_or(DpopError::WrongKey)?;
        let public: Jwk = serde_json::from_value(public).map_err(|_| DpopError::WrongKey)?;
        let decoding = DecodingKey::from_jwk(&public).map_err(|_| DpopError::WrongKey)?;
        let thumbprint = public
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(|_| DpopError::WrongKey)?;
        Ok(Self {
            header: part.to_owned(),
            algorithm,
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
        jsonwebtoken::crypto::verify(signature, signed, key, self.algorithm).unwrap_or(false)
    }
}

fn ec(jwk: &Map<String, Value>) -> Option<Value> {
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if word(jwk, "kty")? != "EC" || word(jwk, "crv")? != "P-256" || x.len() != 32 || y.len() != 32 {
        return None;
    }
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    is_key(&ECDSA_P256_SHA256_FIXED, &point).then(|| {
        let (x, y) = (base64url::encode(&x), base64url::encode(&y));
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
    })
}

fn okp(jwk: &Map<String, Value>) -> Option<Value> {
    let x = bytes(jwk, "x")?;
    if word(jwk, "kty")? != "OKP" || word(jwk, "crv")? != "Ed25519" || x.len() != 32 {
        return None;
    }
    is_key(&ED25519, &x)
        .then(|| json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url::encode(&x) }))
}

fn rsa(jwk: &Map<String, Value>) -> Option<Value> {
    let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    let leads = n.first().is_some_and(|first| *first != 0);
    if word(jwk, "kty")? != "RSA" || !leads || !RSA_BYTES.contains(&n.len()) || e != RSA_EXPONENT {
        return None;
    }
    let (n, e) = (base64url::encode(&n), base64url::encode(&e));
    Some(json!({ "kty": "RSA", "n": n, "e": e }))
}

/// Refuses what is not on the curve.
fn is_key(algorithm: &'static dyn VerificationAlgorithm, public: &[u8]) -> bool {
    ParsedPublicKey::new(algorithm, public).is_ok()
}

fn word<'j>(jwk: &'j Map<String, Value>, member: &str) -> Option<&'j str> {
    jwk.get(member)?.as_str()
}

fn bytes(jwk: &Map<String, Value>, member: &str) -> Option<Vec<u8>> {
    base64url::decode(word(jwk, member)?)
}

//! Public keys of other people as JWKs (RFC 7517, 7518, 8037).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, VerificationAlgorithm,
};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value, json};

use crate::base64url;

/// The members of a JWK that are private or symmetric (RFC 7518).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// The sizes of RSA moduli in bytes: a larger one costs more to verify with than a call.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
/// The only exponent that RSA keys have in practice, 65537.
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

/// The algorithm with this name, of those that other people's keys may sign with.
pub(crate) fn parse_algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "ES256" => Some(Algorithm::ES256),
        // The second is the name that says which one (RFC 9864); there is no other here.
        "EdDSA" | "Ed25519" => Some(Algorithm::EdDSA),
        "RS256" => Some(Algorithm::RS256),
        "PS256" => Some(Algorithm::PS256),
        _ => None,
    }
}

/// The name of one of these algorithms.
pub(crate) fn algorithm_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::ES256 => "ES256",
        Algorithm::EdDSA => "EdDSA",
        Algorithm::RS256 => "RS256",
        Algorithm::PS256 => "PS256",
        _ => "",
    }
}

/// True when a JWK has a part that nobody but its owner may know.
pub(crate) fn has_private_part(jwk: &Map<String, Value>) -> bool {
    PRIVATE.iter().any(|member| jwk.contains_key(*member))
}

/// The public key for this algorithm with nothing but what its thumbprint covers, in its one
/// spelling; none when it is no such key.
pub(crate) fn normalize(
    algorithm: Algorithm,
    jwk: &Map<String, Value>,
) -> Option<Map<String, Value>> {
    let public = match algorithm {
        Algorithm::ES256 => ec(jwk),
        Algorithm::EdDSA => okp(jwk),
        Algorithm::RS256 | Algorithm::PS256 => rsa(jwk),
        _ => None,
    };
    match public {
        Some(Value::Object(members)) => Some(members),
        _ => None,
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

/// The key on a curve, of a JWK that [`normalize`] gave: parsed once, for whoever verifies with it
/// again and again. None for RSA.
pub(crate) fn parse_curve_key(
    algorithm: Algorithm,
    public: &Map<String, Value>,
) -> Option<ParsedPublicKey> {
    match algorithm {
        Algorithm::ES256 => {
            let (x, y) = (bytes(public, "x")?, bytes(public, "y")?);
            let point = [&[4], x.as_slice(), y.as_slice()].concat();
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()
        }
        Algorithm::EdDSA => ParsedPublicKey::new(&ED25519, bytes(public, "x")?).ok(),
        _ => None,
    }
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

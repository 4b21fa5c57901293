//! The public keys that a client has registered.

use std::collections::BTreeSet;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::public_jwk::{has_private_part, normalize, parse_algorithm};

/// How many keys a client may have: the one that signs, and those that come and go.
pub const MAX_CLIENT_KEYS: usize = 8;
/// How many keys are read of a set that somebody publishes.
pub const MAX_PUBLISHED_KEYS: usize = 64;
/// The longest `kid`, in bytes.
const MAX_KID_BYTES: usize = 256;

/// Why a key set is none that a client can have. It quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClientKeysError {
    /// It is no JWK set.
    #[error("not a JWK set: an object with `keys`, a list of 1 to 8 public keys")]
    Malformed,
    /// A key has a private or symmetric part. It must be thrown away.
    #[error("a key has a private part: throw that key away and register the public one only")]
    PrivateKey,
    /// A key is of a kind that clients cannot sign with.
    #[error("a key is no public key for ES256, EdDSA, RS256 or PS256 of 2048 to 4096 bits")]
    WrongKey,
    /// A key is for something else than signatures.
    #[error("a key is not for signatures: its `use` is `sig`, or left out")]
    WrongUse,
    /// Nothing tells the keys apart.
    #[error("each of several keys needs a `kid` of its own, of 1 to 256 visible ASCII characters")]
    WrongKid,
}

/// The keys that a client may sign with, each checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKeys(Vec<ClientKey>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct ClientKey {
    kid: Option<String>,
    /// None: every algorithm that its type is for.
    alg: Option<String>,
    public: Map<String, Value>,
}

impl ClientKeys {
    /// Reads a JWK set (RFC 7517). Members that nothing here is decided by are left out.
    ///
    /// # Errors
    /// See [`ClientKeysError`].
    pub fn parse(set: &Value) -> Result<Self, ClientKeysError> {
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or(ClientKeysError::Malformed)?;
        if !(1..=MAX_CLIENT_KEYS).contains(&keys.len()) {
            return Err(ClientKeysError::Malformed);
        }
        let read: Vec<_> = keys.iter().map(ClientKey::read).collect::<Result<_, _>>()?;
        let kids: BTreeSet<_> = read.iter().filter_map(|key| key.kid.as_deref()).collect();
        if read.len() > 1 && kids.len() != read.len() {
            return Err(ClientKeysError::WrongKid);
        }
        Ok(Self(read))
    }

    /// Reads the JWK set that somebody publishes. Keys for other things, such as encryption, are
    /// left out; beyond [`MAX_PUBLISHED_KEYS`] nothing is read.
    ///
    /// # Errors
    /// `Malformed` when it is no set or has none of our keys; `PrivateKey` when its owner gives one
    /// away.
    pub fn parse_published(json: &[u8]) -> Result<Self, ClientKeysError> {
        let set: Value = serde_json::from_slice(json).map_err(|_| ClientKeysError::Malformed)?;
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or(ClientKeysError::Malformed)?;
        let mut read = Vec::new();
        for value in keys.iter().take(MAX_PUBLISHED_KEYS) {
            match ClientKey::read_published(value) {
                Ok(key) => read.push(key),
                Err(ClientKeysError::PrivateKey) => return Err(ClientKeysError::PrivateKey),
                Err(_) => {}
            }
        }
        if read.is_empty() {
            return Err(ClientKeysError::Malformed);
        }
        Ok(Self(read))
    }

    /// True when a token with this `kid` may be signed with one of them.
    pub(crate) fn knows(&self, kid: Option<&str>, algorithm: Algorithm) -> bool {
        let fits =
            |key: &ClientKey| (kid.is_none() || key.kid.as_deref() == kid) && key.is_for(algorithm);
        self.0.iter().any(fits)
    }

    /// The set in its one spelling, as [`Self::parse`] reads it again.
    pub fn to_json(&self) -> Value {
        let keys: Vec<_> = self.0.iter().map(ClientKey::to_json).collect();
        json!({ "keys": keys })
    }

    /// The key of a token. Without `kid`: the only one that there is for the algorithm.
    pub(crate) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let mut fitting = self
            .0
            .iter()
            .filter(|key| (kid.is_none() || key.kid.as_deref() == kid) && key.is_for(algorithm));
        let found = fitting.next().filter(|_| fitting.next().is_none())?;
        let jwk: Jwk = serde_json::from_value(Value::Object(found.public.clone())).ok()?;
        DecodingKey::from_jwk(&jwk).ok()
    }
}

impl ClientKey {
    fn read(value: &Value) -> Result<Self, ClientKeysError> {
        Self::read_for(value, &["sig"])
    }

    /// SPIFFE has a word of its own for keys of JWT-SVIDs.
    fn read_published(value: &Value) -> Result<Self, ClientKeysError> {
        Self::read_for(value, &["sig", "jwt-svid"])
    }

    fn read_for(value: &Value, uses: &[&str]) -> Result<Self, ClientKeysError> {
        let jwk = value.as_object().ok_or(ClientKeysError::Malformed)?;
        if has_private_part(jwk) {
            return Err(ClientKeysError::PrivateKey);
        }
        let is_one = |word: &Value| word.as_str().is_some_and(|word| uses.contains(&word));
        if jwk.get("use").is_some_and(|word| !is_one(word)) {
            return Err(ClientKeysError::WrongUse);
        }
        let text = |member: &str, error| match jwk.get(member) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or(error),
        };
        let kid = text("kid", ClientKeysError::WrongKid)?;
        let is_kid = |kid: &str| {
            (1..=MAX_KID_BYTES).contains(&kid.len()) && kid.bytes().all(|b| b.is_ascii_graphic())
        };
        if kid.is_some_and(|kid| !is_kid(kid)) {
            return Err(ClientKeysError::WrongKid);
        }
        let alg = text("alg", ClientKeysError::WrongKey)?;
        let algorithm = match (alg, jwk.get("kty").and_then(Value::as_str)) {
            (Some(name), _) => parse_algorithm(name),
            (None, Some("EC")) => Some(Algorithm::ES256),
            (None, Some("OKP")) => Some(Algorithm::EdDSA),
            (None, Some("RSA")) => Some(Algorithm::RS256),
            (None, _) => None,
        };
        let public = algorithm.and_then(|algorithm| normalize(algorithm, jwk));
        Ok(Self {
            kid: kid.map(str::to_owned),
            alg: alg.map(str::to_owned),
            public: public.ok_or(ClientKeysError::WrongKey)?,
        })
    }

    fn to_json(&self) -> Value {
        let mut jwk = self.public.clone();
        if let Some(alg) = &self.alg {
            jwk.insert("alg".to_owned(), alg.as_str().into());
        }
        if let Some(kid) = &self.kid {
            jwk.insert("kid".to_owned(), kid.as_str().into());
        }
        Value::Object(jwk)
    }

    fn is_for(&self, algorithm: Algorithm) -> bool {
        match self.alg.as_deref() {
            Some(alg) => parse_algorithm(alg) == Some(algorithm),
            None => normalize(algorithm, &self.public).is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DpopSigner;

    #[test]
    fn of_a_published_set_only_what_signs_is_read() {
        let jwks = json!({ "keys": [
            key(&json!({ "kid": "a", "use": "enc" })),
            key(&json!({ "kid": "b", "use": "jwt-svid" })),
            { "kty": "EC", "crv": "P-521", "kid": "c", "x": "AA", "y": "AA" },
            key(&json!({ "kid": "d", "alg": "ES256" })),
        ] });
        let keys = ClientKeys::parse_published(jwks.to_string().as_bytes()).unwrap();
        for (kid, known) in [("a", false), ("b", true), ("c", false), ("d", true)] {
            assert_eq!(keys.knows(Some(kid), Algorithm::ES256), known, "{kid}");
            assert_eq!(
                keys.find(Some(kid), Algorithm::ES256).is_some(),
                known,
                "{kid}"
            );
        }
        // Of several keys a token must name one.
        assert!(keys.find(None, Algorithm::ES256).is_none());
        for bad in [
            "",
            "[]",
            "{}",
            "{\"keys\":{}}",
            "{\"keys\":[]}",
            "{\"keys\":[1]}",
            "<html>",
        ] {
            let read = ClientKeys::parse_published(bad.as_bytes());
            assert_eq!(read, Err(ClientKeysError::Malformed), "{bad}");
        }
        let private = json!({ "keys": [key(&json!({ "d": "AA" }))] }).to_string();
        let read = ClientKeys::parse_published(private.as_bytes());
        assert_eq!(read, Err(ClientKeysError::PrivateKey));
    }

    fn key(members: &Value) -> Value {
        let mut jwk = DpopSigner::generate().unwrap().jwk().clone();
        for (name, value) in members.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    }

    #[test]
    fn a_set_is_kept_in_one_spelling() {
        let first = key(&json!({ "kid": "a", "use": "sig", "alg": "ES256", "x5t": "left out" }));
        let second = key(&json!({ "kid": "b", "key_ops": ["verify"] }));
        let keys = ClientKeys::parse(&json!({ "keys": [first, second], "more": 1 })).unwrap();
        let json = keys.to_json();
        let members = json["keys"][0].as_object().unwrap();
        let members: BTreeSet<_> = members.keys().map(String::as_str).collect();
        assert_eq!(
            members,
            BTreeSet::from(["alg", "crv", "kid", "kty", "x", "y"])
        );
        assert_eq!(json["keys"][1].get("alg"), None);
        assert_eq!(ClientKeys::parse(&json), Ok(keys));
    }

    #[test]
    fn only_public_keys_for_signatures_are_taken() {
        let good = key(&json!({}));
        let set = |keys: Value| ClientKeys::parse(&json!({ "keys": keys }));
        assert!(set(json!([good])).is_ok());
        let nine: Vec<_> = (0..9)
            .map(|n| key(&json!({ "kid": n.to_string() })))
            .collect();
        let point = |x: &str| json!([{ "kty": "EC", "crv": "P-256", "x": x, "y": x }]);
        for (keys, expected) in [
            (json!([]), ClientKeysError::Malformed),
            (json!(nine), ClientKeysError::Malformed),
            (json!("keys"), ClientKeysError::Malformed),
            (json!([1]), ClientKeysError::Malformed),
            (
                json!([key(&json!({ "d": "AA" }))]),
                ClientKeysError::PrivateKey,
            ),
            (
                json!([{ "kty": "oct", "k": "AAAA", "alg": "HS256" }]),
                ClientKeysError::PrivateKey,
            ),
            (
                json!([{ "kty": "oct", "alg": "HS256" }]),
                ClientKeysError::WrongKey,
            ),
            (
                json!([key(&json!({ "alg": "none" }))]),
                ClientKeysError::WrongKey,
            ),
            (
                json!([key(&json!({ "alg": "RS256" }))]),
                ClientKeysError::WrongKey,
            ),
            (
                json!([key(&json!({ "alg": 1 }))]),
                ClientKeysError::WrongKey,
            ),
            (
                json!([key(&json!({ "crv": "P-384" }))]),
                ClientKeysError::WrongKey,
            ),
            (point("AAAA"), ClientKeysError::WrongKey),
            (
                json!([key(&json!({ "use": "enc" }))]),
                ClientKeysError::WrongUse,
            ),
            (
                json!([key(&json!({ "kid": "" }))]),
                ClientKeysError::WrongKid,
            ),
            (
                json!([key(&json!({ "kid": "a\u{202e}b" }))]),
                ClientKeysError::WrongKid,
            ),
            (
                json!([key(&json!({ "kid": 1 }))]),
                ClientKeysError::WrongKid,
            ),
            (json!([good, key(&json!({}))]), ClientKeysError::WrongKid),
            (
                json!([key(&json!({ "kid": "a" })), key(&json!({ "kid": "a" }))]),
                ClientKeysError::WrongKid,
            ),
        ] {
            assert_eq!(set(keys.clone()), Err(expected), "{keys}");
        }
        assert_eq!(
            ClientKeys::parse(&json!(null)),
            Err(ClientKeysError::Malformed)
        );
    }

    #[test]
    fn without_a_kid_only_a_lone_key_is_found() {
        let both = [key(&json!({ "kid": "a" })), key(&json!({ "kid": "b" }))];
        let keys = ClientKeys::parse(&json!({ "keys": both })).unwrap();
        assert!(keys.find(Some("a"), Algorithm::ES256).is_some());
        assert!(keys.find(Some("c"), Algorithm::ES256).is_none());
        assert!(keys.find(Some("a"), Algorithm::RS256).is_none());
        assert!(keys.find(None, Algorithm::ES256).is_none());
        let lone = ClientKeys::parse(&json!({ "keys": [both[0]] })).unwrap();
        assert!(lone.find(None, Algorithm::ES256).is_some());
        assert!(lone.find(None, Algorithm::EdDSA).is_none());
    }
}

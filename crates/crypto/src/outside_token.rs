//! Tokens that somebody else has signed (RFC 7519): assertions of clients, and what outside issuers
//! say about workloads and people.

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::{Map, Number, Value};
use thiserror::Error;

use crate::numeric_date::second;
use crate::public_jwk::{algorithm_name, parse_algorithm};
use crate::{ClientKeys, base64url, sha256_parts, unique_json};

/// The longest token that is read, in bytes.
pub const MAX_OUTSIDE_TOKEN_BYTES: usize = 8 * 1024;
/// The longest `jti`, in bytes.
const MAX_JTI_BYTES: usize = 256;
/// The types that a token may have. Others are tokens for something else (RFC 8725, 3.11).
const TYPES: [&str; 3] = ["jwt", "jose", "client-authentication+jwt"];

/// Why a text is no acceptable token. It quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is longer than [`MAX_OUTSIDE_TOKEN_BYTES`].
    #[error("the token is too long: at most 8192 bytes")]
    TooLong,
    /// It is no signed JWT, or a member is missing, repeated or of the wrong form.
    #[error("not a signed JWT with `iss`, `sub`, `aud` and `exp`")]
    Malformed,
    /// It is a token for something else.
    #[error("the token is for something else: its `typ` is `JWT`, or left out")]
    WrongType,
    /// It is signed with another algorithm than those that are allowed, or with none.
    #[error("the token must be signed with ES256, EdDSA, RS256 or PS256")]
    WrongAlgorithm,
    /// No registered key has signed it.
    #[error("the token is not signed with a key that is registered for it")]
    BadSignature,
}

#[derive(Deserialize)]
struct JoseHeader {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Hints {
    sub: String,
    iss: Option<Value>,
    aud: Option<Value>,
}

/// A text of the form of a signed token. **Nothing it says is checked.**
#[derive(Debug, Clone)]
pub struct UnverifiedToken<'t> {
    text: &'t str,
    algorithm: Algorithm,
    kid: Option<String>,
    sub: String,
    iss: Option<String>,
    aud: Vec<String>,
}

impl<'t> UnverifiedToken<'t> {
    /// Reads a text of at most [`MAX_OUTSIDE_TOKEN_BYTES`].
    ///
    /// # Errors
    /// Any but `BadSignature`.
    pub fn parse(text: &'t str) -> Result<Self, TokenError> {
        if text.len() > MAX_OUTSIDE_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Malformed);
        };
        let header: JoseHeader = read(header)?;
        // An extension that must be understood is one that we do not understand.
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        if let Some(typ) = &header.typ
            && !TYPES.iter().any(|known| typ.eq_ignore_ascii_case(known))
        {
            return Err(TokenError::WrongType);
        }
        let Hints { sub, iss, aud } = read(claims)?;
        Ok(Self {
            text,
            algorithm: parse_algorithm(&header.alg).ok_or(TokenError::WrongAlgorithm)?,
            kid: header.kid,
            sub,
            iss: iss.and_then(|iss| iss.as_str().map(str::to_owned)),
            // What is of another form is refused with the signature.
            aud: aud.map(texts).unwrap_or_default(),
        })
    }

    /// Whom it names. Unchecked.
    pub fn subject(&self) -> &str {
        &self.sub
    }

    /// Who is said to have made it. Unchecked.
    pub fn issuer(&self) -> Option<&str> {
        self.iss.as_deref()
    }

    /// Whom it is said to be for. Unchecked.
    pub fn audiences(&self) -> &[String] {
        &self.aud
    }

    /// The algorithm that it is said to be signed with. Unchecked.
    pub fn algorithm(&self) -> &'static str {
        algorithm_name(self.algorithm)
    }

    /// True when one of these keys may be the one that it names.
    pub fn may_be_signed_by(&self, keys: &ClientKeys) -> bool {
        keys.knows(self.kid.as_deref(), self.algorithm)
    }

    /// Checks the signature with one of these keys.
    ///
    /// # Errors
    /// `BadSignature`, also when none of the keys is the token's; `Malformed`.
    pub fn verify(&self, keys: &ClientKeys) -> Result<OutsideToken, TokenError> {
        let key = keys.find(self.kid.as_deref(), self.algorithm);
        let key = key.ok_or(TokenError::BadSignature)?;
        let (signed, signature) = self.text.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (_, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let bytes = signed.as_bytes();
        let holds = jsonwebtoken::crypto::verify(signature, bytes, &key, self.algorithm);
        if !holds.unwrap_or(false) {
            return Err(TokenError::BadSignature);
        }
        let claims: Claims = read(claims)?;
        let time = |number: Number| second(&number).ok_or(TokenError::Malformed);
        let is_jti = |jti: &String| (1..=MAX_JTI_BYTES).contains(&jti.len());
        if claims.jti.as_ref().is_some_and(|jti| !is_jti(jti)) {
            return Err(TokenError::Malformed);
        }
        let mut parts = self.text.split('.');
        let all = parts.nth(1).ok_or(TokenError::Malformed)?;
        // The signature, which can be written in several ways, is no part of the name.
        let signed = self.text.rsplit_once('.').map_or("", |(signed, _)| signed);
        Ok(OutsideToken {
            all: read(all)?,
            digest: sha256_parts(&[signed.as_bytes()]),
            aud: claims.aud.into_vec(),
            exp: time(claims.exp)?,
            iat: claims.iat.map(time).transpose()?,
            nbf: claims.nbf.map(time).transpose()?,
            iss: claims.iss.unwrap_or_default(),
            sub: claims.sub,
            jti: claims.jti,
        })
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: String,
    aud: OneOrMany,
    exp: Number,
    iat: Option<Number>,
    nbf: Option<Number>,
    jti: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// A token whose signature was checked by [`UnverifiedToken::verify`], the only way to get one.
/// Whether it is for us, from whom we think, and alive, is still to be asked.
#[derive(Debug, Clone)]
pub struct OutsideToken {
    iss: String,
    sub: String,
    aud: Vec<String>,
    exp: i64,
    iat: Option<i64>,
    nbf: Option<i64>,
    jti: Option<String>,
    all: Map<String, Value>,
    digest: [u8; 32],
}

impl OutsideToken {
    /// All that it says.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.all
    }

    /// Names it among all tokens: a digest of what is signed.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Who made it; empty where it does not say, as those of SPIFFE need not.
    pub fn iss(&self) -> &str {
        &self.iss
    }

    /// Whom it is about.
    pub fn sub(&self) -> &str {
        &self.sub
    }

    /// Whom it is for.
    pub fn aud(&self) -> &[String] {
        &self.aud
    }

    /// When it ends, in seconds since the epoch.
    pub fn exp(&self) -> i64 {
        self.exp
    }

    /// When it was made, in seconds since the epoch.
    pub fn iat(&self) -> Option<i64> {
        self.iat
    }

    /// From when on it is good, in seconds since the epoch.
    pub fn nbf(&self) -> Option<i64> {
        self.nbf
    }

    /// A digest of what names it among all tokens of its issuer; none without a `jti`.
    pub fn id(&self) -> Option<[u8; 32]> {
        let jti = self.jti.as_ref()?;
        // The length keeps the two apart.
        let length = self.iss.len().to_be_bytes();
        Some(sha256_parts(&[
            &length,
            self.iss.as_bytes(),
            jti.as_bytes(),
        ]))
    }
}

/// A text, or those of a list.
fn texts(value: Value) -> Vec<String> {
    let many = match value {
        Value::Array(many) => many,
        one => vec![one],
    };
    let text = |value: Value| value.as_str().map(str::to_owned);
    many.into_iter().filter_map(text).collect()
}

fn read<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenError> {
    let json = base64url::decode(part).ok_or(TokenError::Malformed)?;
    if !unique_json::is_unique_json(&json) {
        return Err(TokenError::Malformed);
    }
    serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::DpopSigner;

    fn keys(signer: &DpopSigner) -> ClientKeys {
        ClientKeys::parse(&json!({ "keys": [signer.jwk()] })).unwrap()
    }

    fn claims() -> Value {
        json!({ "iss": "a", "sub": "b", "aud": "c", "exp": 10, "iat": 5.9, "jti": "j" })
    }

    #[test]
    fn what_a_registered_key_has_signed_is_read() {
        let signer = DpopSigner::generate().unwrap();
        for typ in [
            json!(null),
            json!("JWT"),
            json!("client-authentication+jwt"),
        ] {
            let header = json!({ "alg": "ES256", "typ": typ });
            let text = signer.sign_token(&header, &claims()).unwrap();
            let unverified = UnverifiedToken::parse(&text).unwrap();
            assert_eq!(unverified.subject(), "b");
            let token = unverified.verify(&keys(&signer)).unwrap();
            assert_eq!((token.iss(), token.sub()), ("a", "b"));
            assert_eq!(token.aud(), ["c"]);
            assert_eq!((token.exp(), token.iat(), token.nbf()), (10, Some(5), None));
            let other = DpopSigner::generate().unwrap();
            let refused = unverified.verify(&keys(&other)).map(drop);
            assert_eq!(refused, Err(TokenError::BadSignature));
        }
    }

    #[test]
    fn what_is_no_token_is_refused_before_any_key_is_used() {
        let signer = DpopSigner::generate().unwrap();
        let with = |header: Value| signer.sign_token(&header, &claims()).unwrap();
        let good = with(json!({ "alg": "ES256" }));
        for (text, expected) in [
            (with(json!({ "alg": "none" })), TokenError::WrongAlgorithm),
            (with(json!({ "alg": "HS256" })), TokenError::WrongAlgorithm),
            (
                with(json!({ "alg": "ES256", "typ": "at+jwt" })),
                TokenError::WrongType,
            ),
            (
                with(json!({ "alg": "ES256", "typ": "dpop+jwt" })),
                TokenError::WrongType,
            ),
            (
                with(json!({ "alg": "ES256", "crit": ["b64"] })),
                TokenError::Malformed,
            ),
            (format!("{good}.x"), TokenError::Malformed),
            (String::new(), TokenError::Malformed),
            ("a.b".to_owned(), TokenError::Malformed),
            ("x".repeat(MAX_OUTSIDE_TOKEN_BYTES + 1), TokenError::TooLong),
        ] {
            let refused = UnverifiedToken::parse(&text).map(drop);
            assert_eq!(refused, Err(expected), "{text:.60}");
        }
    }

    #[test]
    fn a_member_of_the_wrong_form_makes_it_none() {
        let signer = DpopSigner::generate().unwrap();
        for (member, value) in [
            ("iss", json!(1)),
            ("aud", json!({})),
            ("aud", json!([1])),
            ("exp", json!("10")),
            ("exp", json!(1e300)),
            ("iat", json!("x")),
            ("jti", json!("")),
            ("jti", json!("j".repeat(257))),
        ] {
            let mut claims = claims();
            claims[member] = value;
            let text = signer
                .sign_token(&json!({ "alg": "ES256" }), &claims)
                .unwrap();
            let token = UnverifiedToken::parse(&text).unwrap();
            let refused = token.verify(&keys(&signer)).map(drop);
            assert_eq!(refused, Err(TokenError::Malformed), "{claims}");
        }
    }
}

//! A proof's text, and what it says once its signature holds.

use serde::Deserialize;
use serde_json::Number;

use super::{DpopError, DpopKey};
use crate::numeric_date::second;
use crate::{base64url, sha256, unique_json};

/// The longest proof that is read, in bytes. One with an RSA key of 4096 bits has about 1,600.
pub const MAX_PROOF_BYTES: usize = 4096;
/// The longest `jti`, in bytes.
const MAX_JTI_BYTES: usize = 256;

/// A text of the form of a proof. **Nothing it says is checked**: it serves to find out which
/// key it brings along, which a cache may know already.
#[derive(Debug, Clone, Copy)]
pub struct UnverifiedProof<'t> {
    header: &'t str,
    claims: &'t str,
    /// Header and claims, as they were signed.
    signed: &'t str,
    signature: &'t str,
}

impl<'t> UnverifiedProof<'t> {
    /// Takes a text of at most [`MAX_PROOF_BYTES`] apart.
    ///
    /// # Errors
    /// `TooLong` or `Malformed`.
    pub fn split(text: &'t str) -> Result<Self, DpopError> {
        if text.len() > MAX_PROOF_BYTES {
            return Err(DpopError::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(DpopError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(DpopError::Malformed)?;
        if claims.contains('.') {
            return Err(DpopError::Malformed);
        }
        Ok(Self {
            header,
            claims,
            signed,
            signature,
        })
    }

    /// SHA-256 of its header, for a cache of keys.
    pub fn header_digest(&self) -> [u8; 32] {
        sha256(self.header.as_bytes())
    }

    /// Reads the key that it brings along.
    ///
    /// # Errors
    /// `WrongAlgorithm`, `PrivateKey`, `WrongKey`, or `Malformed`.
    pub fn read_key(&self) -> Result<DpopKey, DpopError> {
        DpopKey::read(self.header)
    }

    /// Checks the signature with the key of this proof, or of an earlier one with the same
    /// header.
    ///
    /// # Errors
    /// `WrongKey` when the key came from another header, `BadSignature`, or `Malformed`.
    pub fn verify(&self, key: &DpopKey) -> Result<DpopProof, DpopError> {
        if !key.is_of(self.header) {
            return Err(DpopError::WrongKey);
        }
        if !key.verifies(self.signed, self.signature) {
            return Err(DpopError::BadSignature);
        }
        let claims: Claims = read(self.claims)?;
        if !(1..=MAX_JTI_BYTES).contains(&claims.jti.len()) {
            return Err(DpopError::Malformed);
        }
        let seconds = |number: Number| second(&number).ok_or(DpopError::Malformed);
        Ok(DpopProof {
            thumbprint: key.thumbprint().to_owned(),
            iat: seconds(claims.iat)?,
            exp: claims.exp.map(seconds).transpose()?,
            nbf: claims.nbf.map(seconds).transpose()?,
            jti: claims.jti,
            htm: claims.htm,
            htu: claims.htu,
            nonce: claims.nonce,
            ath: claims.ath,
        })
    }
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: Number,
    exp: Option<Number>,
    nbf: Option<Number>,
    nonce: Option<String>,
    ath: Option<String>,
}

/// What a proof says whose signature was checked by [`UnverifiedProof::verify`], the only way to
/// get one. Whether it fits the request, and is fresh, is still to be asked.
#[derive(Debug, Clone)]
pub struct DpopProof {
    thumbprint: String,
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    exp: Option<i64>,
    nbf: Option<i64>,
    nonce: Option<String>,
    ath: Option<String>,
}

impl DpopProof {
    /// The thumbprint of the key that signed it.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Its id: 1 to 256 bytes of any text.
    pub fn jti(&self) -> &str {
        &self.jti
    }

    /// The method that it is for.
    pub fn htm(&self) -> &str {
        &self.htm
    }

    /// The URL that it is for, as the client wrote it.
    pub fn htu(&self) -> &str {
        &self.htu
    }

    /// True when it was made within `window` seconds of `now`, to either side, and its `exp` and
    /// `nbf`, which proofs need not have, leave it to be used.
    pub fn is_timely(&self, now: i64, window: i64) -> bool {
        now.abs_diff(self.iat) <= window.unsigned_abs()
            && self.exp.is_none_or(|exp| now < exp.saturating_add(window))
            && self.nbf.is_none_or(|nbf| nbf <= now.saturating_add(window))
    }

    /// The server's nonce.
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// The hash of the mandate that it goes with, see [`mandate_hash`].
    pub fn ath(&self) -> Option<&str> {
        self.ath.as_deref()
    }
}

/// The `ath` of a proof for the mandate with this SHA-256 (RFC 9449, 4.2).
pub fn mandate_hash(digest: &[u8; 32]) -> String {
    base64url::encode(digest)
}

pub(super) fn read<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, DpopError> {
    let json = base64url::decode(part).ok_or(DpopError::Malformed)?;
    if !unique_json::is_unique_json(&json) {
        return Err(DpopError::Malformed);
    }
    serde_json::from_slice(&json).map_err(|_| DpopError::Malformed)
}

//! A text that claims to be a mandate.

use caracal_core::{KeyId, MandateClaims, ZoneId};
use serde::Deserialize;

use crate::{MandateError, base64url, sha256, unique_json};

/// The longest mandate that is read, in bytes.
pub const MAX_MANDATE_BYTES: usize = 8 * 1024;

/// A text of the form of a mandate. **Nothing it says is checked**: use it only to find
/// the zone and the key with which [`crate::verify_mandate`] can check it.
pub struct UnverifiedMandate {
    text: String,
    kid: KeyId,
    issuer: String,
    zone: ZoneId,
    rev: String,
    nbf: Option<i64>,
    digest: [u8; 32],
}

#[derive(Deserialize)]
struct JoseHeader {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct NotBefore {
    #[serde(default)]
    nbf: Option<i64>,
}

impl UnverifiedMandate {
    /// Reads a text of at most [`MAX_MANDATE_BYTES`].
    ///
    /// # Errors
    /// `WrongAlgorithm` when the header asks for anything but ES256, `UnknownKey` when it
    /// names no key of the form `key_…`, else `Malformed`.
    pub fn parse(text: &str) -> Result<Self, MandateError> {
        if text.len() > MAX_MANDATE_BYTES {
            return Err(MandateError::Malformed);
        }
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(MandateError::Malformed);
        };
        let header: JoseHeader = read(header)?;
        if header.alg != "ES256" {
            return Err(MandateError::WrongAlgorithm);
        }
        // An extension that must be understood is one that we do not understand.
        if header.typ.as_deref() != Some("at+jwt") || header.crit.is_some() {
            return Err(MandateError::Malformed);
        }
        let kid = header.kid.ok_or(MandateError::Malformed)?;
        let kid = kid.parse().map_err(|_| MandateError::UnknownKey)?;
        let NotBefore { nbf } = read(claims)?;
        let claims: MandateClaims = read(claims)?;
        if base64url::decode(signature).is_none_or(|bytes| bytes.len() != 64) {
            return Err(MandateError::Malformed);
        }
        Ok(Self {
            kid,
            issuer: claims.iss,
            zone: claims.zone,
            rev: claims.rev,
            nbf,
            digest: sha256(text.as_bytes()),
            text: text.to_owned(),
        })
    }

    /// The key it names. Unchecked.
    pub fn kid(&self) -> KeyId {
        self.kid
    }

    /// The issuer it names. Unchecked.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The zone it names. Unchecked.
    pub fn zone(&self) -> ZoneId {
        self.zone
    }

    /// The position it names. Unchecked.
    pub fn rev(&self) -> &str {
        &self.rev
    }

    /// SHA-256 of its text, for a cache of verified mandates.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn nbf(&self) -> Option<i64> {
        self.nbf
    }
}

fn read<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, MandateError> {
    let json = base64url::decode(part).ok_or(MandateError::Malformed)?;
    if !unique_json::is_unique_json(&json) {
        return Err(MandateError::Malformed);
    }
    serde_json::from_slice(&json).map_err(|_| MandateError::Malformed)
}

//! A mandate whose signature, issuer and times were checked.

use std::sync::Arc;

use caracal_core::MandateClaims;
use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};

use crate::{MandateError, PublicKey, UnverifiedMandate};

/// The longest life of a mandate, in seconds.
pub const MAX_MANDATE_SECONDS: i64 = 900;

/// How far the issuer's clock may be ahead of ours, in seconds.
pub const MAX_CLOCK_AHEAD_SECONDS: i64 = 5;

/// A mandate whose signature, issuer and times were checked by [`verify_mandate`], the
/// only way to get one. Whether it is for this resource, and not revoked, is still to be
/// asked. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct VerifiedMandate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    claims: MandateClaims,
    digest: [u8; 32],
}

impl VerifiedMandate {
    /// What it says.
    pub fn claims(&self) -> &MandateClaims {
        &self.0.claims
    }

    /// SHA-256 of its text.
    pub fn digest(&self) -> [u8; 32] {
        self.0.digest
    }
}

/// Checks the signature with the key, the issuer exactly, and the times: it has expired
/// from the second `exp` on, `iat` and `nbf` are at most [`MAX_CLOCK_AHEAD_SECONDS`] in the
/// future, and it lives at most [`MAX_MANDATE_SECONDS`]. The audience is not checked here.
pub fn verify_mandate(
    m: &UnverifiedMandate,
    key: &PublicKey,
    issuer: &str,
    now: Timestamp,
) -> Result<VerifiedMandate, MandateError> {
    if m.kid() != key.kid() {
        return Err(MandateError::UnknownKey);
    }
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    // The library would read the wall clock, and knows only one audience; both are ours.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    let token = jsonwebtoken::decode::<MandateClaims>(m.text(), key.decoding(), &validation);
    let claims = token.map_err(|error| refusal(error.kind()))?.claims;
    check(&claims, m.nbf(), issuer, now.as_second())?;
    Ok(VerifiedMandate(Arc::new(Inner {
        claims,
        digest: m.digest(),
    })))
}

fn check(
    claims: &MandateClaims,
    nbf: Option<i64>,
    issuer: &str,
    now: i64,
) -> Result<(), MandateError> {
    if claims.iss != issuer {
        return Err(MandateError::WrongIssuer);
    }
    if now >= claims.exp {
        return Err(MandateError::Expired);
    }
    let latest = now.saturating_add(MAX_CLOCK_AHEAD_SECONDS);
    if claims.iat > latest || nbf.is_some_and(|nbf| nbf > latest) {
        return Err(MandateError::NotYetValid);
    }
    let life = claims
        .exp
        .checked_sub(claims.iat)
        .ok_or(MandateError::Malformed)?;
    if !(1..=MAX_MANDATE_SECONDS).contains(&life) {
        return Err(MandateError::Malformed);
    }
    Ok(())
}

fn refusal(kind: &ErrorKind) -> MandateError {
    match kind {
        ErrorKind::InvalidSignature => MandateError::BadSignature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            MandateError::WrongAlgorithm
        }
        _ => MandateError::Malformed,
    }
}

#[cfg(test)]
mod tests;

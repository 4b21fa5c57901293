//! Why a mandate is not accepted.

use thiserror::Error;

/// Why a text is not an acceptable mandate. It quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MandateError {
    /// It is not a mandate: too long, not three parts, a wrong `typ`, a claim that is
    /// missing, repeated or of the wrong form, or a lifetime beyond the limit.
    #[error("not a mandate: get one at the token endpoint")]
    Malformed,
    /// It is signed with something else than ES256.
    #[error("not signed with ES256")]
    WrongAlgorithm,
    /// It names another key.
    #[error("signed by a key that the zone does not have")]
    UnknownKey,
    /// The signature does not belong to the text.
    #[error("the signature is not valid")]
    BadSignature,
    /// It was issued by someone else.
    #[error("issued by another issuer")]
    WrongIssuer,
    /// Its time is over.
    #[error("the mandate has expired: get a new one")]
    Expired,
    /// It was issued in the future.
    #[error("the mandate is not valid yet: check the clocks")]
    NotYetValid,
}

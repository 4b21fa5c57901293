//! Why a proof is not accepted.

use thiserror::Error;

/// Why a text is not an acceptable proof. It quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DpopError {
    /// It is longer than [`crate::MAX_PROOF_BYTES`].
    #[error("the proof is too long: at most 4096 bytes")]
    TooLong,
    /// It is not a proof: not three parts, a wrong `typ`, a member that is missing, repeated or
    /// of the wrong form.
    #[error("not a DPoP proof: its `typ` is `dpop+jwt`, and it has `jti`, `htm`, `htu` and `iat`")]
    Malformed,
    /// It is signed with another algorithm than [`crate::DPOP_ALGORITHMS`], or with none.
    #[error("the proof must be signed with ES256, Ed25519, RS256 or PS256")]
    WrongAlgorithm,
    /// Its `jwk` has a private part. The key must be thrown away.
    #[error("the proof carries a private key: throw the key away and send the public one only")]
    PrivateKey,
    /// Its `jwk` is no public key for its algorithm.
    #[error("the `jwk` of the proof is no public key for its algorithm")]
    WrongKey,
    /// The signature does not belong to the text.
    #[error("the signature of the proof is not valid")]
    BadSignature,
}

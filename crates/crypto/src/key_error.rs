//! Why a key cannot be used.

use thiserror::Error;

/// Why a key was refused or could not do its work. It never quotes key material.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The bytes are not a key of this kind.
    #[error("not a usable key: its bytes are damaged or of another kind")]
    Malformed,
    /// A master key must have exactly 32 bytes.
    #[error("a master key has 32 bytes, written as base64 or as 64 hex digits")]
    MasterKeyLength,
    /// The library could not make a key or a signature.
    #[error("the crypto library could not make a key or a signature")]
    Failed,
    /// The mandate would be longer than a verifier accepts.
    #[error("the mandate would be longer than 8192 bytes: ask for fewer resources or scopes")]
    MandateTooLong,
}

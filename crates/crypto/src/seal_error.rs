//! Why a seal was not opened.

use thiserror::Error;

/// Why a secret could not be sealed or opened. It never quotes the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealError {
    /// It was sealed under a master key that this instance does not have.
    #[error("sealed under a master key that is not loaded: add the older master key")]
    UnknownMasterKey,
    /// It is not a sealed secret, or the plaintext is longer than [`crate::MAX_SEALED_BYTES`].
    #[error("not a sealed secret, or longer than 65536 bytes")]
    Malformed,
    /// It was sealed for another context, or its bytes were changed.
    #[error(
        "the seal does not open: it was made for another zone, purpose or host list, or was changed"
    )]
    Refused,
}

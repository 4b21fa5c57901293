//! Why a credential was not injected.

/// Why a credential was not injected. No text holds anything of the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InjectError {
    /// The kind carries a secret and none was given.
    #[error("the provider has no secret yet; connect it first")]
    NoSecret,
    /// The kind itself does not say where a credential goes, or names a forbidden place.
    #[error("the provider's kind is not usable: {0}")]
    BadKind(String),
    /// The secret cannot be put where the kind says.
    #[error("the provider's secret is not usable: {0}; connect the provider again")]
    BadSecret(String),
}

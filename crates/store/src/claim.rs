//! What may be used once.

/// Names what is claimed, within its zone: a digest that its maker cannot choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimId(pub [u8; 32]);

/// The answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "what is taken must not be used again"]
pub enum Claimed {
    /// It is the caller's: nobody had it before, and nobody else will get it.
    Now,
    /// Somebody had it before.
    Before,
}

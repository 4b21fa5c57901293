//! Proofs that a client holds a key (RFC 9449): reading, verifying and making them.

mod error;
mod key;
mod proof;
mod signer;

pub use error::DpopError;
pub use key::{DPOP_ALGORITHMS, DpopKey};
pub use proof::{DpopProof, MAX_PROOF_BYTES, UnverifiedProof, mandate_hash};
pub use signer::DpopSigner;

#[cfg(test)]
mod tests;

//! Proofs that a client holds a key (RFC 9449).

mod error;
mod key;
mod proof;

pub use error::DpopError;
pub use key::{DPOP_ALGORITHMS, DpopKey};
pub use proof::{DpopProof, MAX_PROOF_BYTES, UnverifiedProof, mandate_hash};

#[cfg(test)]
mod tests;

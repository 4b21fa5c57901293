//! Signing, verifying, sealing and hashing: the only importer of crypto libraries.
//!
//! It keeps the two types that must not be forged: a [`VerifiedMandate`] exists only after
//! its signature was checked, and a [`Credential`] only after its seal was opened for the
//! context it was sealed for. It must never read a clock, never log, never hand a secret
//! out as text that prints, and never invent a primitive: everything is aws-lc, and every
//! foreign JWT goes through `jsonwebtoken`.

mod base64url;
mod client_keys;
mod credential;
mod digest;
mod dpop_proof;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod issuer_hint;
mod key_error;
mod keyring;
mod log_signer;
mod mandate_error;
mod mandate_signer;
mod master_key;
mod numeric_date;
mod outside_token;
mod public_jwk;
mod public_key;
mod random;
mod seal_context;
mod seal_error;
mod secret_text;
mod sha256_writer;
mod unique_json;
mod unverified_mandate;
mod verified_mandate;
mod webhook_key;

pub use client_keys::{ClientKeys, ClientKeysError, MAX_CLIENT_KEYS, MAX_PUBLISHED_KEYS};
pub use credential::Credential;
pub use digest::{constant_time_eq, hex, keyed_digest, sha256, sha256_parts};
pub use dpop_proof::{
    DPOP_ALGORITHMS, DpopError, DpopKey, DpopProof, DpopSigner, MAX_PROOF_BYTES, UnverifiedProof,
    mandate_hash,
};
pub use issuer_hint::find_issuer;
pub use key_error::KeyError;
pub use keyring::{Keyring, MAX_SEALED_BYTES};
pub use log_signer::{LogSigner, verify_log_signature};
pub use mandate_error::MandateError;
pub use mandate_signer::{MandateSigner, NewMandateKey};
pub use master_key::MasterKey;
pub use outside_token::{MAX_OUTSIDE_TOKEN_BYTES, OutsideToken, TokenError, UnverifiedToken};
pub use public_key::PublicKey;
pub use random::{id_bytes, random_bytes};
pub use seal_context::SealContext;
pub use seal_error::SealError;
pub use secret_text::{SecretText, secret_matches};
pub use sha256_writer::Sha256Writer;
pub use unverified_mandate::{MAX_MANDATE_BYTES, UnverifiedMandate};
pub use verified_mandate::{
    MAX_CLOCK_AHEAD_SECONDS, MAX_MANDATE_SECONDS, VerifiedMandate, verify_mandate,
};
pub use webhook_key::WebhookKey;

//! What can be said of a proof without asking what was seen before, or of which zone a nonce is.

use std::sync::Arc;

use caracal_crypto::{DpopError, DpopKey, DpopProof, UnverifiedProof};
use jiff::Timestamp;

use super::public_url::PublicUrl;
use super::{PresentedProof, SeenProofs};
use crate::{EngineConfig, RefusedAt};

/// How far the `iat` of a proof may be from our time, to either side, in seconds. It is the nonce
/// that makes a proof fresh: this only tells a client whose clock is wrong.
const CLOCK_WINDOW_SECONDS: i64 = 60;
/// How many keys of clients are remembered; each takes about 1 KiB, at most 8 KiB.
const KNOWN_KEYS: u64 = 8192;

/// Why a proof is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProofError {
    #[error("there is no `DPoP` header")]
    Missing,
    #[error("there are several `DPoP` headers")]
    Several,
    #[error(transparent)]
    Unreadable(#[from] DpopError),
    #[error("the proof is signed with another key than the one that the mandate is bound to")]
    OtherKey,
    #[error("the proof is for another method: its `htm` is not the request's")]
    Method,
    #[error("the proof is for another URL: its `htu` is not the one that was asked for")]
    Url,
    #[error("the proof's `iat` is more than 60 s from the server's time: check the clock")]
    Clock,
    #[error("the proof is for another mandate: its `ath` is not the hash of this one")]
    Mandate,
    #[error("the proof needs the nonce of this answer's `DPoP-Nonce` header")]
    Nonce,
    #[error("the proof was used before: make a new one for each request")]
    Replayed,
    #[error("the application has shown too many proofs in the last 10 s")]
    OwnShare,
    #[error("the server has seen too many proofs in the last 10 s")]
    Full,
}

/// What the engine remembers of proofs.
pub(crate) struct Proofs {
    keys: moka::sync::Cache<[u8; 32], Arc<DpopKey>>,
    pub(super) seen: SeenProofs,
    sts: Option<PublicUrl>,
    gateway: Option<PublicUrl>,
}

impl Proofs {
    pub(crate) fn new(config: &EngineConfig) -> Self {
        Self {
            keys: moka::sync::Cache::new(KNOWN_KEYS),
            seen: SeenProofs::default(),
            sts: PublicUrl::parse(&config.sts_url),
            gateway: PublicUrl::parse(&config.gateway_url),
        }
    }
    /// Checks that a request shows one proof, that its signature holds, and that it is for this
    /// request at this time, and for this mandate: its text's SHA-256, and the key that it is bound
    /// to. Whether its nonce is good, and whether it was seen before, is still to be asked.
    pub(super) fn check(
        &self,
        presented: &PresentedProof,
        door: RefusedAt,
        mandate: Option<([u8; 32], &str)>,
        now: Timestamp,
    ) -> Result<DpopProof, ProofError> {
        let text = match presented.headers.as_slice() {
            [] => return Err(ProofError::Missing),
            [only] => only,
            _ => return Err(ProofError::Several),
        };
        let proof = self.verify(text, mandate.map(|(_, bound)| bound))?;
        if proof.htm() != presented.method {
            return Err(ProofError::Method);
        }
        if !self.is_target(door, proof.htu(), &presented.path) {
            return Err(ProofError::Url);
        }
        if let Some((digest, _)) = &mandate
            && proof.ath() != Some(&caracal_crypto::mandate_hash(digest))
        {
            return Err(ProofError::Mandate);
        }
        if !proof.is_timely(now.as_second(), CLOCK_WINDOW_SECONDS) {
            return Err(ProofError::Clock);
        }
        Ok(proof)
    }

    /// True when `htu` names this path at a door.
    pub(super) fn is_target(&self, door: RefusedAt, htu: &str, path: &str) -> bool {
        let public = match door {
            RefusedAt::Sts => &self.sts,
            RefusedAt::Gateway => &self.gateway,
            RefusedAt::Console => &None,
            RefusedAt::Service => return PublicUrl::is_same(htu, path),
        };
        public
            .as_ref()
            .is_some_and(|public| public.is_target(htu, path))
    }

    /// Checks key and signature. The key of another client is turned away before its signature
    /// costs anything.
    fn verify(&self, text: &str, bound: Option<&str>) -> Result<DpopProof, ProofError> {
        let unverified = UnverifiedProof::split(text)?;
        let digest = unverified.header_digest();
        let known = self.keys.get(&digest);
        let key = match &known {
            Some(key) => Arc::clone(key),
            None => Arc::new(unverified.read_key()?),
        };
        if bound.is_some_and(|bound| bound != key.thumbprint()) {
            return Err(ProofError::OtherKey);
        }
        let proof = unverified.verify(&key)?;
        if known.is_none() {
            self.keys.insert(digest, key);
        }
        Ok(proof)
    }
}

/// Names a proof: a digest of its key and its `jti`.
pub(super) fn id_of(proof: &DpopProof) -> [u8; 32] {
    // A thumbprint has one length, so that no two pairs have the same bytes.
    let (thumbprint, jti) = (proof.thumbprint().as_bytes(), proof.jti().as_bytes());
    caracal_crypto::sha256_parts(&[thumbprint, jti])
}

//! Calls of which each goes by something that is good once: the proof of a mandate that is bound
//! to a key, else the mandate itself (`single_use` of a resource).
//!
//! What was used is claimed in the store, so that it stays used over a restart. See decision 0055.

use caracal_core::RefusalCode;
use caracal_crypto::sha256_parts;
use caracal_store::{ClaimId, Claimed};
use jiff::{SignedDuration, Timestamp};

use crate::verify::OpenedMandate;
use crate::{Engine, Refusal, ResourceEntry};

/// For how long a claim is kept beyond the end of what was claimed: clocks that are set back.
const GRACE: SignedDuration = SignedDuration::from_secs(60);
/// The most claims that are forgotten at a time, so that commits wait only shortly.
const BATCH: usize = 1000;

/// What a call on such a resource goes by.
struct UsedOnce {
    id: ClaimId,
    ends_at: Timestamp,
}

impl UsedOnce {
    fn of(opened: &OpenedMandate) -> Self {
        let claims = opened.claims();
        let (id, ends_at) = match &opened.proven {
            Some(proven) => (sha256_parts(&[b"proof", &proven.id]), proven.good_until),
            None => (
                sha256_parts(&[b"mandate", claims.jti.uuid().as_bytes()]),
                claims.exp,
            ),
        };
        // What is no time never ends.
        let ends_at = Timestamp::from_second(ends_at).unwrap_or(Timestamp::MAX);
        Self {
            id: ClaimId(id),
            ends_at: ends_at.saturating_add(GRACE).unwrap_or(Timestamp::MAX),
        }
    }
}

impl Engine {
    /// Claims what a call goes by where its resource asks for that. When this returns, nobody
    /// else gets it, after a crash neither.
    ///
    /// # Errors
    /// `mandate_replayed` when it was used before, `ledger_unavailable` when that cannot be known.
    pub(crate) async fn use_once(
        &self,
        opened: &OpenedMandate,
        entry: &ResourceEntry,
    ) -> Result<(), Refusal> {
        if !entry.resource().single_use {
            return Ok(());
        }
        // Boxed, so that calls on other resources do not carry its weight.
        let claimed = Box::pin(self.claim(opened)).await;
        let result = match &claimed {
            Ok(()) => "claimed",
            Err(refusal) if refusal.code == RefusalCode::MandateReplayed => "replayed",
            Err(_) => "failed",
        };
        metrics::counter!("caracal_claims_total", "result" => result).increment(1);
        claimed
    }

    async fn claim(&self, opened: &OpenedMandate) -> Result<(), Refusal> {
        let failed = |why: String| Refusal::new(RefusalCode::LedgerUnavailable, why);
        self.check_room().map_err(|e| failed(e.to_string()))?;
        let UsedOnce { id, ends_at } = UsedOnce::of(opened);
        let claimed = self.state().claim(opened.handle.id, id, ends_at).await;
        match claimed {
            Ok(Claimed::Now) => Ok(()),
            Ok(Claimed::Before) => Err(replayed(opened)),
            Err(error) => Err(failed(format!(
                "it cannot be written that the mandate is used: {error}"
            ))
            .hint("make a new proof, or get a fresh mandate, and try again")),
        }
    }

    /// Forgets the claims that have ended, of all zones.
    pub(crate) async fn sweep_claims(&self) {
        loop {
            match self.state().forget_claims(self.now(), BATCH).await {
                Ok(forgotten) if forgotten < BATCH => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "claims that have ended could not be forgotten");
                    return;
                }
            }
        }
    }
}

fn replayed(opened: &OpenedMandate) -> Refusal {
    let (why, hint) = match opened.proven {
        Some(_) => (
            "the proof was used before: make a new one for each request",
            "make a new proof, with a `jti` of its own, for each request",
        ),
        None => (
            "the mandate was used before, and the resource takes each one once",
            "get a fresh mandate for each call, or a bound one with a `DPoP` header",
        ),
    };
    Refusal::new(RefusalCode::MandateReplayed, why).hint(hint)
}

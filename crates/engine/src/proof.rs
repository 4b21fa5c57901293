//! Mandates that only the holder of a key can use (RFC 9449).
//!
//! A proof is good once, for one request, and only with a nonce that this zone gave out in the
//! last seconds. What is left to a thief who sees mandate and proof together is written down in
//! `docs/dpop.md`.

mod check;
mod nonce;
mod public_url;
mod seen;
#[cfg(test)]
mod vectors;

use std::sync::Arc;

use caracal_core::{ApplicationId, EventType, RefusalCode, ZoneId};

use crate::verify::OpenedMandate;
use crate::view::ZoneView;
use crate::{AuthenticatedClient, CallerCredentials, Engine, IssueError, Refusal, RefusedAt};
pub(crate) use check::Proofs;
use check::{ProofError, id_of};
pub(crate) use nonce::nonce_key;
pub(crate) use seen::{SeenProofs, Unseen};

/// What a request shows of its client's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedProof {
    /// The values of its `DPoP` headers; more than two need not be kept.
    pub headers: Vec<String>,
    /// Its method.
    pub method: String,
    /// Its path at the door, as it was sent. Never from `Host` or `Forwarded`: the rest of the
    /// URL is the door's public one. Where a service shows the proof, the whole URL that its
    /// client asked for.
    pub path: String,
}

/// How a mandate was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresentedAs {
    /// `Bearer`, or one of the resource's own places.
    Bearer,
    /// `DPoP`.
    Dpop(PresentedProof),
}

/// What an accepted proof has shown.
#[derive(Debug, Clone)]
pub(crate) struct Proven {
    /// The thumbprint of the key.
    thumbprint: String,
    /// Names the proof: a digest of its key and its `jti`.
    pub(crate) id: [u8; 32],
    /// When its nonce ends, in seconds since 1970.
    pub(crate) good_until: i64,
}

/// What a proof has to fit.
struct Demand<'d> {
    view: &'d ZoneView,
    application: ApplicationId,
    door: RefusedAt,
    /// The mandate that is presented with it: its text's SHA-256, and the key it is bound to.
    mandate: Option<([u8; 32], &'d str)>,
}

impl Proven {
    /// What a service says that it has checked, which is good once only where nothing is.
    pub(crate) fn by_service(opened: &OpenedMandate, thumbprint: &str) -> Self {
        let mandate = opened.claims().jti;
        Self {
            thumbprint: thumbprint.to_owned(),
            id: caracal_crypto::sha256_parts(&[b"checked", mandate.uuid().as_bytes()]),
            good_until: opened.claims().exp,
        }
    }
}

impl Engine {
    /// The nonce for proofs in this zone, as answers carry it in `DPoP-Nonce`. It is good for 10
    /// to 20 s, on every node; none for a zone that is not served.
    pub fn dpop_nonce(&self, zone: ZoneId) -> Option<String> {
        let view = self.zone_handle(zone)?.view();
        Some(nonce::nonce_at(&view.keys.nonce, self.now()))
    }

    /// Checks the proof of a request to the STS and gives the thumbprint of its key. A caller that
    /// shows a bound session mandate has to prove the key of that one.
    ///
    /// # Errors
    /// `InvalidProof`; `UseDpopNonce` when it has no nonce or an old one; `SlowDown` and
    /// `Unavailable` when there is no room to remember it.
    pub async fn prove_caller(
        &self,
        client: AuthenticatedClient,
        credentials: &CallerCredentials,
        presented: &PresentedProof,
    ) -> Result<String, IssueError> {
        let opened = match credentials {
            CallerCredentials::Client(_)
            | CallerCredentials::Assertion(_)
            | CallerCredentials::Proven(_) => None,
            CallerCredentials::Session(text) => {
                let opened = self.open_mandate(text).await;
                Some(opened.map_err(|_| IssueError::InvalidClient)?)
            }
        };
        let mandate = opened.as_ref().and_then(|opened| {
            let bound = opened.claims().cnf.as_ref()?;
            Some((opened.mandate.digest(), bound.jkt.as_str()))
        });
        let handle = self.zone_handle(client.zone);
        let demand = Demand {
            view: &handle.ok_or(IssueError::InvalidClient)?.view(),
            application: client.application,
            door: RefusedAt::Sts,
            mandate,
        };
        let proven = self.check_proof(presented, &demand);
        proven.map(|proven| proven.thumbprint).map_err(issue_error)
    }

    /// Checks that whoever presents a mandate to the Gateway has its key. A bearer mandate needs
    /// none.
    ///
    /// # Errors
    /// `proof_invalid`, `mandate_replayed`, and `mandate_invalid` for a bearer mandate with the
    /// scheme `DPoP`: the denial is in the ledger. `use_dpop_nonce`, `rate_limited` and
    /// `overloaded`: it is not, see [`Refusal::is_passing`].
    pub async fn prove_mandate(
        &self,
        mut opened: OpenedMandate,
        presented: &PresentedAs,
        request_id: &str,
    ) -> Result<OpenedMandate, Refusal> {
        match self.check_presented(&opened, presented, RefusedAt::Gateway) {
            Ok(proven) => {
                opened.proven = proven.map(Arc::new);
                Ok(opened)
            }
            Err(refusal) if refusal.is_passing() => Err(refusal),
            Err(refusal) => {
                let event = self.call_event(&opened, EventType::CallDenied, request_id);
                Err(Box::pin(self.refuse(&opened, event, refusal)).await)
            }
        }
    }

    pub(crate) fn check_presented(
        &self,
        opened: &OpenedMandate,
        presented: &PresentedAs,
        door: RefusedAt,
    ) -> Result<Option<Proven>, Refusal> {
        let claims = opened.claims();
        match (&claims.cnf, presented) {
            (None, PresentedAs::Bearer) => Ok(None),
            (None, PresentedAs::Dpop(_)) => {
                let why = "the mandate is not bound to a key";
                Err(Refusal::new(RefusalCode::MandateInvalid, why).hint(
                    "send `Authorization: Bearer MANDATE`, or ask for a bound one with a `DPoP` header",
                ))
            }
            (Some(_), PresentedAs::Bearer) => Err(unproven()),
            (Some(bound), PresentedAs::Dpop(proof)) => {
                let view = opened.handle.view();
                let demand = Demand {
                    view: &view,
                    application: claims.client_id,
                    door,
                    mandate: Some((opened.mandate.digest(), &bound.jkt)),
                };
                self.check_proof(proof, &demand).map(Some).map_err(refusal)
            }
        }
    }

    fn check_proof(
        &self,
        presented: &PresentedProof,
        demand: &Demand<'_>,
    ) -> Result<Proven, ProofError> {
        let checked = self.check_each(presented, demand);
        let result = match &checked {
            Ok(_) => "accepted",
            Err(ProofError::Nonce) => "nonce",
            Err(ProofError::Replayed) => "replayed",
            Err(ProofError::OwnShare | ProofError::Full) => "no_room",
            Err(_) => "invalid",
        };
        crate::meters::proof_checked(demand.door, result);
        checked
    }

    fn check_each(
        &self,
        presented: &PresentedProof,
        demand: &Demand<'_>,
    ) -> Result<Proven, ProofError> {
        let (proofs, now) = (&self.0.proofs, self.now());
        let proof = proofs.check(presented, demand.door, demand.mandate, now)?;
        let epoch = proof
            .nonce()
            .and_then(|text| nonce::find_epoch(&demand.view.keys.nonce, text, now))
            .ok_or(ProofError::Nonce)?;
        let id = id_of(&proof);
        let seen = proofs
            .seen
            .remember(epoch, nonce::epoch_of(now), demand.application, id);
        seen.map_err(|unseen| match unseen {
            Unseen::Before => ProofError::Replayed,
            Unseen::OwnShare => ProofError::OwnShare,
            Unseen::Full => ProofError::Full,
        })?;
        Ok(Proven {
            thumbprint: proof.thumbprint().to_owned(),
            id,
            good_until: nonce::end_of(epoch),
        })
    }
}

/// A bound mandate without its proof.
pub(crate) fn unproven() -> Refusal {
    let why = "the mandate is bound to a key, and the request does not prove it";
    Refusal::new(RefusalCode::ProofInvalid, why)
        .hint("send `Authorization: DPoP MANDATE` with a `DPoP` proof of its key")
}

/// How the STS refuses.
fn issue_error(error: ProofError) -> IssueError {
    match error {
        ProofError::Nonce => IssueError::UseDpopNonce,
        ProofError::OwnShare => IssueError::SlowDown(error.to_string()),
        ProofError::Full => IssueError::Unavailable(error.to_string()),
        _ => IssueError::InvalidProof(error.to_string()),
    }
}

/// How the Gateway refuses.
fn refusal(error: ProofError) -> Refusal {
    let (code, hint) = match error {
        ProofError::Nonce => (
            RefusalCode::UseDpopNonce,
            "repeat the request with a new proof that has this nonce",
        ),
        ProofError::Replayed => (
            RefusalCode::MandateReplayed,
            "make a new proof, with a `jti` of its own, for each request",
        ),
        ProofError::OwnShare => (RefusalCode::RateLimited, "try again in some seconds"),
        ProofError::Full => (RefusalCode::Overloaded, "try again in some seconds"),
        _ => (
            RefusalCode::ProofInvalid,
            "see RFC 9449, section 4, for what a proof must have",
        ),
    };
    Refusal::new(code, error.to_string()).hint(hint)
}

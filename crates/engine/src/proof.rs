//! Mandates that only the holder of a key can use (RFC 9449).
//!
//! A proof is good once, for one request, and only with a nonce that this zone gave out in the
//! last seconds. What is left to a thief who sees mandate and proof together is written down in
//! `docs/dpop.md`.

mod nonce;
mod public_url;
mod seen;

use std::sync::Arc;

use caracal_core::{ApplicationId, EventType, RefusalCode, ZoneId};
use caracal_crypto::{DpopError, DpopKey, DpopProof, UnverifiedProof};

use crate::verify::OpenedMandate;
use crate::view::ZoneView;
use crate::{
    AuthenticatedClient, CallerCredentials, Engine, EngineConfig, IssueError, Refusal, RefusedAt,
};
pub(crate) use nonce::nonce_key;
use public_url::PublicUrl;
pub(crate) use seen::{SeenProofs, Unseen};

/// How far the `iat` of a proof may be from our time, to either side, in seconds. It is the nonce
/// that makes a proof fresh: this only tells a client whose clock is wrong.
const CLOCK_WINDOW_SECONDS: i64 = 60;
/// How many keys of clients are remembered; each takes about 1 KiB, at most 8 KiB.
const KNOWN_KEYS: u64 = 8192;

/// What a request shows of its client's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedProof {
    /// The values of its `DPoP` headers; more than two need not be kept.
    pub headers: Vec<String>,
    /// Its method.
    pub method: String,
    /// Its path at the door, as it was sent. Never from `Host` or `Forwarded`: the rest of the
    /// URL is the door's public one.
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

/// Why a proof is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProofError {
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
    seen: SeenProofs,
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
}

/// What a proof has to fit.
struct Demand<'d> {
    view: &'d ZoneView,
    application: ApplicationId,
    door: RefusedAt,
    /// The mandate that is presented with it: its text's SHA-256, and the key it is bound to.
    mandate: Option<([u8; 32], &'d str)>,
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
        proven
            .map(|proven| proven.thumbprint)
            .map_err(|error| match error {
                ProofError::Nonce => IssueError::UseDpopNonce,
                ProofError::OwnShare => IssueError::SlowDown(error.to_string()),
                ProofError::Full => IssueError::Unavailable(error.to_string()),
                _ => IssueError::InvalidProof(error.to_string()),
            })
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
        match self.check_presented(&opened, presented) {
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

    fn check_presented(
        &self,
        opened: &OpenedMandate,
        presented: &PresentedAs,
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
                    door: RefusedAt::Gateway,
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
        let text = match presented.headers.as_slice() {
            [] => return Err(ProofError::Missing),
            [only] => only,
            _ => return Err(ProofError::Several),
        };
        let proof = self.verify_proof(text, demand)?;
        if proof.htm() != presented.method {
            return Err(ProofError::Method);
        }
        let proofs = &self.0.proofs;
        let public = match demand.door {
            RefusedAt::Sts => &proofs.sts,
            RefusedAt::Gateway => &proofs.gateway,
            RefusedAt::Console => &None,
        };
        let is_target = public
            .as_ref()
            .is_some_and(|public| public.is_target(proof.htu(), &presented.path));
        if !is_target {
            return Err(ProofError::Url);
        }
        if let Some((digest, _)) = &demand.mandate
            && proof.ath() != Some(&caracal_crypto::mandate_hash(digest))
        {
            return Err(ProofError::Mandate);
        }
        let now = self.now();
        if !proof.is_timely(now.as_second(), CLOCK_WINDOW_SECONDS) {
            return Err(ProofError::Clock);
        }
        let epoch = proof
            .nonce()
            .and_then(|text| nonce::find_epoch(&demand.view.keys.nonce, text, now))
            .ok_or(ProofError::Nonce)?;
        // A thumbprint has one length, so that no two pairs have the same bytes.
        let (thumbprint, jti) = (proof.thumbprint().as_bytes(), proof.jti().as_bytes());
        let id = caracal_crypto::sha256_parts(&[thumbprint, jti]);
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

    /// Checks key and signature. The key of another client is turned away before its signature
    /// costs anything.
    fn verify_proof(&self, text: &str, demand: &Demand<'_>) -> Result<DpopProof, ProofError> {
        let unverified = UnverifiedProof::split(text)?;
        let digest = unverified.header_digest();
        let known = self.0.proofs.keys.get(&digest);
        let key = match &known {
            Some(key) => Arc::clone(key),
            None => Arc::new(unverified.read_key()?),
        };
        if demand
            .mandate
            .is_some_and(|(_, bound)| bound != key.thumbprint())
        {
            return Err(ProofError::OtherKey);
        }
        let proof = unverified.verify(&key)?;
        if known.is_none() {
            self.0.proofs.keys.insert(digest, key);
        }
        Ok(proof)
    }
}

/// A bound mandate without its proof.
pub(crate) fn unproven() -> Refusal {
    let why = "the mandate is bound to a key, and the request does not prove it";
    Refusal::new(RefusalCode::ProofInvalid, why)
        .hint("send `Authorization: DPoP MANDATE` with a `DPoP` proof of its key")
}

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

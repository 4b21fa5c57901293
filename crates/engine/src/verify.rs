//! From a text to a verified mandate.

use std::sync::Arc;

use caracal_core::{KeyId, MandateClaims, RefusalCode, Resource, Revision, TraceId};
use caracal_crypto::{MandateError, UnverifiedMandate, VerifiedMandate};

use crate::Engine;
use crate::meters::meters;
use crate::proof::Proven;
use crate::view::ZoneView;
use crate::zone_handle::ZoneHandle;

/// A mandate whose signature, issuer and time hold, with the zone that issued it. It says
/// nothing yet about revocation, resource or operation.
#[derive(Clone)]
pub struct OpenedMandate {
    pub(crate) mandate: VerifiedMandate,
    /// The key that signed it.
    pub(crate) key: KeyId,
    pub(crate) handle: Arc<ZoneHandle>,
    pub(crate) decided_on: Revision,
    /// What the proof of its key has shown, where it needs one.
    pub(crate) proven: Option<Arc<Proven>>,
    /// The trace that its events belong to.
    pub(crate) trace: Option<TraceId>,
}

impl OpenedMandate {
    /// What it says.
    pub fn claims(&self) -> &MandateClaims {
        self.mandate.claims()
    }

    /// True when it is bound to a key and nobody has proved to have that.
    pub(crate) fn is_unproven(&self) -> bool {
        self.claims().cnf.is_some() && self.proven.is_none()
    }

    /// Says which trace the request belongs to; its events will name it.
    #[must_use]
    pub fn in_trace(mut self, trace: Option<TraceId>) -> Self {
        self.trace = trace;
        self
    }
}

/// A mandate that was verified before, by this key.
#[derive(Clone)]
pub(crate) struct KnownMandate {
    key: KeyId,
    mandate: VerifiedMandate,
}

impl Engine {
    /// Verifies a mandate: signature, issuer, time and history.
    ///
    /// # Errors
    /// `mandate_invalid`, `mandate_expired`, or `feed_stale` when this node is behind the one
    /// that issued it.
    pub async fn open_mandate(&self, text: &str) -> Result<OpenedMandate, RefusalCode> {
        let digest = caracal_crypto::sha256(text.as_bytes());
        let known = self.0.verified.get(&digest);
        let unverified = match known {
            Some(_) => None,
            None => Some(UnverifiedMandate::parse(text).map_err(refusal)?),
        };
        let zone = match (&known, &unverified) {
            (Some(known), _) => known.mandate.claims().zone,
            (None, Some(unverified)) => unverified.zone(),
            (None, None) => return Err(RefusalCode::MandateInvalid),
        };
        let handle = self.zone_handle(zone).ok_or(RefusalCode::MandateInvalid)?;
        if handle.is_stuck() {
            return Err(RefusalCode::FeedStale);
        }
        let view = handle.view();
        let now = self.now();
        let KnownMandate { key, mandate } = match (known, unverified) {
            (Some(known), _) => {
                // Its key may have been dropped since it was verified, and its time has gone on.
                view.keys
                    .find(known.key)
                    .ok_or(RefusalCode::MandateInvalid)?;
                if known.mandate.claims().exp <= now.as_second() {
                    return Err(RefusalCode::MandateExpired);
                }
                meters().cache_hits.increment(1);
                known
            }
            (None, Some(unverified)) => {
                meters().cache_misses.increment(1);
                let key = unverified.kid();
                let public = view
                    .keys
                    .find(key)
                    .ok_or_else(|| without_key(&view, unverified.rev()))?;
                let issuer = &view.zone.value.issuer;
                let mandate = caracal_crypto::verify_mandate(&unverified, public, issuer, now)
                    .map_err(refusal)?;
                let known = KnownMandate { key, mandate };
                self.0.verified.insert(digest, known.clone());
                known
            }
            (None, None) => return Err(RefusalCode::MandateInvalid),
        };
        let decided_on = self
            .check_position(&handle, &view, &mandate.claims().rev)
            .await?;
        Ok(OpenedMandate {
            mandate,
            key,
            handle,
            decided_on,
            proven: None,
            trace: None,
        })
    }

    /// A mandate of another history (before a restore) is dead; one of a newer revision has
    /// to wait for this node, at most a second.
    async fn check_position(
        &self,
        handle: &ZoneHandle,
        view: &ZoneView,
        rev: &str,
    ) -> Result<Revision, RefusalCode> {
        let revision = rev
            .split('.')
            .nth(1)
            .and_then(|text| text.parse().ok())
            .map(Revision);
        let revision = revision.ok_or(RefusalCode::MandateInvalid)?;
        if !is_of(view, rev) {
            return Err(RefusalCode::MandateRevoked);
        }
        if revision > view.position.revision {
            let limit = std::time::Duration::from_secs(1);
            // Boxed, so that those who need not wait do not carry its weight.
            if !Box::pin(handle.wait_applied(revision, limit)).await {
                return Err(RefusalCode::FeedStale);
            }
        }
        Ok(revision)
    }
}

/// Why a mandate is refused whose key the zone does not have. A restore takes the old keys
/// away, so that what says of itself that it is of another history cannot be verified; it is
/// refused either way, and this tells its holder why.
fn without_key(view: &ZoneView, rev: &str) -> RefusalCode {
    let is_position = rev.split('.').count() == 3;
    if is_position && !is_of(view, rev) {
        RefusalCode::MandateRevoked
    } else {
        RefusalCode::MandateInvalid
    }
}

/// True when a position is of the history that the view belongs to.
fn is_of(view: &ZoneView, rev: &str) -> bool {
    view.position.epoch.is_of(rev)
}

/// False when the mandate is older than the resource: one for a resource that was removed is
/// none for a later one of its name. A mandate's id tells when it was issued, to the
/// millisecond.
pub(crate) fn is_for(claims: &MandateClaims, resource: &Resource) -> bool {
    let issued_at = claims.jti.uuid().get_timestamp().map(|at| at.to_unix());
    let (seconds, nanoseconds) = issued_at.unwrap_or_default();
    let issued_at = i128::from(seconds) * 1000 + i128::from(nanoseconds / 1_000_000);
    i128::from(resource.created_at.as_millisecond()) <= issued_at
}

fn refusal(error: MandateError) -> RefusalCode {
    match error {
        MandateError::Expired => RefusalCode::MandateExpired,
        _ => RefusalCode::MandateInvalid,
    }
}

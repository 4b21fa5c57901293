//! Forgetting what nothing needs any more: tombstones, expired tokens, bundles of long ago.
//!
//! The revocation of a mandate, or of the session that a mandate brought along, ends something
//! that ends by itself at most 900 s later; so does one that was lifted, and one of an object
//! that is gone. Without sweeping, an application that mints and revokes in a loop would make
//! state grow for ever.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use caracal_core::{Anchor, ApiToken, EventType, Kind, Revocation, RevocationId, ZoneId};
use jiff::Timestamp;

use crate::change::Change;
use crate::view::{Stored, ZoneView};
use crate::{Admin, Engine, MAX_TTL_SECONDS, Operator};

const PAUSE: Duration = Duration::from_secs(60);
/// Beyond a mandate's longest life: clocks that are not quite right, in seconds.
const GRACE_SECONDS: i64 = 60;
/// For how many days an expired token is still shown.
const TOKEN_DAYS: i64 = 30;
/// How many bundles a zone keeps to roll back to.
const KEPT_BUNDLES: usize = 100;
/// The most objects of one commit.
const BATCH: usize = 1000;

impl Engine {
    /// Sweeps every zone each minute until the engine closes.
    pub(crate) fn spawn_sweeper(&self) {
        let engine = self.clone();
        self.spawn(async move {
            while engine.pause(PAUSE).await {
                let zones: Vec<ZoneId> = engine.0.zones.pin().keys().copied().collect();
                for zone in zones {
                    engine.sweep(zone).await;
                    engine.sweep_secrets_and_keys(zone).await;
                }
                engine.sweep_claims().await;
            }
        });
    }

    async fn sweep_secrets_and_keys(&self, zone: ZoneId) {
        if let Err(error) = self.sweep_keys(zone).await {
            tracing::warn!(%zone, %error, "the zone's keys could not be rotated or forgotten");
        }
        if let Err(error) = self.sweep_secrets(zone).await {
            tracing::warn!(%zone, %error, "client secrets could not be swept");
        }
    }

    /// Forgets what a zone does not need any more.
    pub async fn sweep(&self, zone: ZoneId) {
        let admin = Admin::new(Operator::local(), self.new_request_id());
        let now = self.now();
        for what in [revocations, tokens, bundles] {
            let swept = self.write(zone, &admin, |view| {
                let mut change = Change::standalone(zone);
                if let Some((event_type, why)) = what(view, now, &mut change) {
                    let mut event = self.admin_event(zone, &admin, event_type);
                    event.operator = None;
                    event.reason = Some(why);
                    change.events.push(event);
                }
                Ok((change, ()))
            });
            if let Err(error) = swept.await {
                tracing::warn!(%zone, %error, "what has expired could not be forgotten");
            }
        }
    }
}

/// What to tell of a change that forgets something; none when it does not.
type Told = Option<(EventType, String)>;

fn revocations(view: &ZoneView, now: Timestamp, change: &mut Change) -> Told {
    let moot = view.revocations.values();
    let mut moot: Vec<_> = moot
        .filter(|held| is_moot(view, &held.value, now))
        .collect();
    let needed = still_needed(view, &moot);
    moot.retain(|held| !needed.contains(&held.value.id));
    for held in moot.into_iter().take(BATCH) {
        change.delete(Kind::Revocation, held.value.id.uuid(), held.version);
    }
    let count = change.writes.len();
    (count > 0).then(|| {
        let why = format!("{count} revocations that nothing alive could be under");
        (EventType::RevocationExpired, why)
    })
}

/// Those that something which they ended is still stored: nobody has come to sweep it, and
/// without them it would be alive again. Only what was lifted can be; the rest is about what is
/// gone.
fn still_needed(view: &ZoneView, moot: &[&Arc<Stored<Revocation>>]) -> HashSet<RevocationId> {
    let mut needed = HashSet::new();
    let lifted = moot.iter().map(|held| &held.value);
    let mut by_anchor: HashMap<Anchor, Vec<&Revocation>> = HashMap::new();
    for revocation in lifted.filter(|held| !view.is_gone(held.anchor)) {
        by_anchor
            .entry(revocation.anchor)
            .or_default()
            .push(revocation);
    }
    if by_anchor.is_empty() {
        return needed;
    }
    let mut look = |anchor: Anchor, decided_on| {
        let found = by_anchor.get(&anchor).into_iter().flatten();
        needed.extend(
            found
                .filter(|held| held.ends(decided_on))
                .map(|held| held.id),
        );
    };
    for held in view.sessions.iter() {
        let session = &held.value;
        look(Anchor::Zone(view.zone.value.id), session.decided_on);
        look(Anchor::Application(session.application), session.decided_on);
        if let Some(subject) = session.subject {
            look(Anchor::Subject(subject), session.decided_on);
        }
    }
    for held in view.approvals.iter() {
        for anchor in &held.value.anchors {
            look(*anchor, held.value.decided_on);
        }
    }
    needed
}

fn tokens(view: &ZoneView, now: Timestamp, change: &mut Change) -> Told {
    let is_old = |token: &&Arc<Stored<ApiToken>>| {
        now.duration_since(token.value.expires_at).as_hours() >= 24 * TOKEN_DAYS
    };
    for held in view.tokens.iter().filter(is_old).take(BATCH) {
        change.delete(Kind::Token, held.value.id.uuid(), held.version);
    }
    let count = change.writes.len();
    (count > 0).then(|| {
        let why = format!("{count} tokens that expired more than {TOKEN_DAYS} days ago");
        (EventType::TokenDeleted, why)
    })
}

fn bundles(view: &ZoneView, _: Timestamp, change: &mut Change) -> Told {
    let excess = view.bundles.len().saturating_sub(KEPT_BUNDLES);
    if excess == 0 {
        return None;
    }
    // So that none is activated while it goes.
    *change = Change::of_configuration(view);
    let active = view.zone.value.policy.as_ref();
    let mut old: Vec<_> = view
        .bundles
        .values()
        .filter(|stored| Some(&stored.bundle.version) != active)
        .collect();
    old.sort_by_key(|stored| (stored.bundle.created_at, stored.bundle.id));
    for stored in old.into_iter().take(excess.min(BATCH)) {
        change.delete(Kind::Bundle, stored.bundle.id.uuid(), stored.version);
    }
    let why = format!(
        "{} bundles, beyond the newest {KEPT_BUNDLES}",
        change.writes.len()
    );
    Some((EventType::BundleForgotten, why))
}

fn is_moot(view: &ZoneView, revocation: &Revocation, now: Timestamp) -> bool {
    let outlived = |time: Timestamp| {
        now.duration_since(time).as_secs() > i64::from(MAX_TTL_SECONDS) + GRACE_SECONDS
    };
    let ends_by_itself =
        matches!(revocation.anchor, Anchor::Mandate(_)) || view.is_gone(revocation.anchor);
    (ends_by_itself && outlived(revocation.created_at))
        || revocation.lifted_at.is_some_and(outlived)
}

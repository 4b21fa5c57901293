//! Ending what has come to its end: sessions and delegations whose time is over, whose holder
//! is not heard of any more, or that stand on something that ended.

use std::time::Duration;

use caracal_core::{Anchor, Delegation, EventType, Kind, Session, Version, ZoneId};
use uuid::Uuid;

use super::end::end_session;
use crate::change::Change;
use crate::path::is_ended;
use crate::view::{Stored, ZoneView};
use crate::zone_handle::ZoneHandle;
use crate::{Admin, Engine, Operator};

/// Between two looks at what has come to its end. What has, is dead at once for every decision.
const PAUSE: Duration = Duration::from_secs(1);
/// Every so many looks, all sessions and delegations are looked at.
const THOROUGH: u64 = 30;
/// The most objects of one commit.
const BATCH: usize = 500;

impl Engine {
    /// Ends sessions and delegations in time until the engine closes.
    pub(crate) fn spawn_session_sweeper(&self) {
        let engine = self.clone();
        self.spawn(async move {
            for round in 0_u64.. {
                if !engine.pause(PAUSE).await {
                    return;
                }
                let zones: Vec<ZoneId> = engine.0.zones.pin().keys().copied().collect();
                for zone in zones {
                    engine.sweep_sessions(zone, round % THOROUGH == 0).await;
                }
            }
        });
    }

    /// Ends what has come to its end in a zone. `thorough`: also what stands on something that
    /// ended, for which everything has to be looked at.
    pub async fn sweep_sessions(&self, zone: ZoneId, thorough: bool) {
        let Some(handle) = self.zone_handle(zone) else {
            return;
        };
        let admin = Admin::new(Operator::sweeper(), self.new_request_id());
        loop {
            let swept = self.write(zone, &admin, |view| {
                let mut change = Change::standalone(zone);
                self.end_sessions(&handle, view, thorough, &admin, &mut change);
                self.end_delegations(view, thorough, &admin, &mut change);
                self.end_approvals(&handle, view, thorough, BATCH, &admin, &mut change)?;
                let count = change.events.len();
                Ok((change, count))
            });
            match swept.await {
                Ok(count) if count >= BATCH => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(%zone, %error, "sessions that have ended could not be forgotten");
                    return;
                }
            }
        }
    }

    fn end_sessions(
        &self,
        handle: &ZoneHandle,
        view: &ZoneView,
        thorough: bool,
        admin: &Admin,
        change: &mut Change,
    ) {
        let now = self.now();
        let mut end = |held: &Stored<Session>, why: &str| {
            let session = &held.value;
            end_session(view, held, change);
            let mut event = self.admin_event(view.zone.value.id, admin, EventType::SessionExpired);
            event.application = Some(session.application);
            event.session = Some(session.id);
            event.reason = Some(why.to_owned());
            change.events.push(event);
        };
        let expired = view.sessions.by_expiry();
        let expired = expired.take_while(|held| !held.value.is_alive(now));
        for held in expired.take(BATCH) {
            end(held, "its time is over");
        }
        let is_silent = |held: &&std::sync::Arc<Stored<Session>>| {
            held.value.is_alive(now) && handle.leases.has_lapsed(&held.value, now)
        };
        for held in view.sessions.beating().filter(is_silent).take(BATCH) {
            end(held, "no heartbeat came");
        }
        if !thorough {
            return;
        }
        let stands =
            |session: &Session| session.is_alive(now) && !handle.leases.has_lapsed(session, now);
        let orphans = view
            .sessions
            .iter()
            .filter(|held| stands(&held.value) && is_ended(view, &held.value));
        for held in orphans.take(BATCH) {
            end(held, "what it stands on has ended");
        }
    }

    fn end_delegations(&self, view: &ZoneView, thorough: bool, admin: &Admin, change: &mut Change) {
        let now = self.now();
        let mut end = |held: &Stored<Delegation>, why: &str| {
            let delegation = &held.value;
            end_delegation(view, held, change);
            let mut event =
                self.admin_event(view.zone.value.id, admin, EventType::DelegationExpired);
            event.application = Some(delegation.from_application);
            event.session = Some(delegation.from);
            event.target = Some(delegation.id.to_string());
            event.reason = Some(why.to_owned());
            change.events.push(event);
        };
        let expired = view.delegations.by_expiry();
        for held in expired
            .take_while(|held| now >= held.value.expires_at)
            .take(BATCH)
        {
            end(held, "its time is over");
        }
        if !thorough {
            return;
        }
        let orphans = view
            .delegations
            .iter()
            .filter(|held| now < held.value.expires_at && is_loose(view, &held.value));
        for held in orphans.take(BATCH) {
            end(held, "what it stands on has ended");
        }
    }
}

/// Removes a delegation with what was kept for it.
pub(crate) fn end_delegation(view: &ZoneView, held: &Stored<Delegation>, change: &mut Change) {
    let id = held.value.id.uuid();
    change.delete(Kind::Delegation, id, held.version);
    end_budget(view, id, held.value.calls, change);
}

/// Removes what was taken of a budget. Where nothing was, nothing may be meanwhile: it would be
/// left over.
pub(super) fn end_budget(view: &ZoneView, id: Uuid, calls: Option<u64>, change: &mut Change) {
    match view.budgets.get(&id) {
        Some(budget) => change.delete(Kind::Budget, id, budget.version),
        None if calls.is_some() => change.read(Kind::Budget, id, Version::ABSENT),
        None => {}
    }
}

/// True when a delegation was revoked, or its lender, its receiver or what it was lent by is
/// gone.
fn is_loose(view: &ZoneView, delegation: &Delegation) -> bool {
    let gone = |session| view.sessions.find(session).is_none();
    view.revokes(Anchor::Delegation(delegation.id), delegation.decided_on)
        || gone(delegation.from)
        || delegation.receiver.is_some_and(gone)
        || delegation
            .via
            .is_some_and(|via| view.delegations.find(via).is_none())
}

//! The approvals of a zone.

use std::ops::Bound;
use std::sync::Arc;

use caracal_core::{ApplicationId, Approval, ApprovalId, ApprovalStatus};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::Stored;

/// For how long one that was decided or used is still shown.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// Approvals by id and by what is asked for, in the order in which there is something to do
/// about them.
#[derive(Clone, Default)]
pub(crate) struct Approvals {
    by_id: imbl::OrdMap<Uuid, Arc<Stored<Approval>>>,
    /// Those that answer an identical request: pending, approved and rejected ones.
    by_digest: imbl::HashMap<String, Uuid>,
    /// When each expires or, where it cannot any more, is forgotten.
    due: imbl::OrdSet<(Timestamp, Uuid)>,
    /// How many wait, by application.
    pending: imbl::HashMap<Uuid, usize>,
    pending_in_all: usize,
}

impl Approvals {
    pub(crate) fn find(&self, id: ApprovalId) -> Option<&Arc<Stored<Approval>>> {
        self.by_id.get(&id.uuid())
    }

    /// The one that answers a request of this digest, if its time is not over.
    pub(crate) fn find_same(&self, digest: &str, now: Timestamp) -> Option<&Arc<Stored<Approval>>> {
        let held = self.by_id.get(self.by_digest.get(digest)?)?;
        (now < held.value.expires_at).then_some(held)
    }

    pub(crate) fn count_pending(&self) -> usize {
        self.pending_in_all
    }

    pub(crate) fn count_pending_of(&self, application: ApplicationId) -> usize {
        self.pending.get(&application.uuid()).copied().unwrap_or(0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Stored<Approval>>> {
        self.by_id.values()
    }

    /// The approvals after one, in the order of their ids, which is about that of their making.
    pub(crate) fn iter_after(
        &self,
        after: Option<ApprovalId>,
    ) -> impl Iterator<Item = &Arc<Stored<Approval>>> {
        let start = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.uuid()));
        let rest = self.by_id.range((start, Bound::Unbounded));
        rest.map(|(_, held)| held)
    }

    /// Those that must be expired or forgotten by now.
    pub(crate) fn due(&self, now: Timestamp) -> impl Iterator<Item = &Arc<Stored<Approval>>> {
        self.due
            .iter()
            .take_while(move |(at, _)| *at <= now)
            .filter_map(|(_, id)| self.by_id.get(id))
    }

    pub(crate) fn insert(&mut self, stored: Stored<Approval>) {
        let approval = &stored.value;
        let id = approval.id.uuid();
        self.remove(id);
        self.due.insert((due_at(approval), id));
        match approval.status {
            ApprovalStatus::Pending | ApprovalStatus::Approved | ApprovalStatus::Rejected => {
                self.by_digest.insert(approval.digest.clone(), id);
            }
            ApprovalStatus::Expired | ApprovalStatus::Consumed => {}
        }
        if approval.status == ApprovalStatus::Pending {
            *self.pending.entry(approval.application.uuid()).or_default() += 1;
            self.pending_in_all += 1;
        }
        self.by_id.insert(id, Arc::new(stored));
    }

    pub(crate) fn remove(&mut self, id: Uuid) {
        let Some(held) = self.by_id.remove(&id) else {
            return;
        };
        let approval = &held.value;
        self.due.remove(&(due_at(approval), id));
        if self.by_digest.get(&approval.digest) == Some(&id) {
            self.by_digest.remove(&approval.digest);
        }
        if approval.status == ApprovalStatus::Pending {
            self.pending_in_all = self.pending_in_all.saturating_sub(1);
            let own = approval.application.uuid();
            match self.pending.get_mut(&own) {
                Some(count) if *count > 1 => *count -= 1,
                _ => {
                    self.pending.remove(&own);
                }
            }
        }
    }
}

fn due_at(approval: &Approval) -> Timestamp {
    let kept = match approval.status {
        ApprovalStatus::Pending | ApprovalStatus::Approved => SignedDuration::ZERO,
        _ => KEPT,
    };
    approval
        .expires_at
        .saturating_add(kept)
        .unwrap_or(Timestamp::MAX)
}

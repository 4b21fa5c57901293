//! Ending approvals in time.

use caracal_core::{Approval, ApprovalStatus, EventType, Kind};

use super::find_dead;
use crate::change::Change;
use crate::view::{Stored, ZoneView};
use crate::zone_handle::ZoneHandle;
use crate::{Admin, AdminError, Engine};

impl Engine {
    /// Expires approvals whose time is over, and forgets those that were decided long ago.
    /// `thorough`: also those that stand on something that ended. At most `limit`.
    pub(crate) fn end_approvals(
        &self,
        handle: &ZoneHandle,
        view: &ZoneView,
        thorough: bool,
        limit: usize,
        admin: &Admin,
        change: &mut Change,
    ) -> Result<(), AdminError> {
        let now = self.now();
        let expire = |held: &Stored<Approval>, why: &str, change: &mut Change| {
            let mut approval = held.value.clone();
            approval.status = ApprovalStatus::Expired;
            let id = approval.id.uuid();
            change.put(Kind::Approval, id, None, held.version, &approval)?;
            let mut event =
                self.approval_event(&approval, handle, EventType::ApprovalExpired, admin);
            event.reason = Some(why.to_owned());
            change.events.push(event);
            metrics::counter!("caracal_approvals_total", "outcome" => "expired").increment(1);
            Ok::<_, AdminError>(())
        };
        let mut forgotten = 0_usize;
        for held in view.approvals.due(now).take(limit) {
            match held.value.status {
                ApprovalStatus::Pending | ApprovalStatus::Approved => {
                    expire(held, "its time is over", change)?;
                }
                _ => {
                    change.delete(Kind::Approval, held.value.id.uuid(), held.version);
                    forgotten += 1;
                }
            }
        }
        if forgotten > 0 {
            let mut event =
                self.admin_event(view.zone.value.id, admin, EventType::ApprovalForgotten);
            event.reason = Some(format!("{forgotten} approvals that were settled"));
            change.events.push(event);
        }
        if !thorough {
            return Ok(());
        }
        let stands = |approval: &Approval| {
            let status = approval.status_at(now);
            matches!(status, ApprovalStatus::Pending | ApprovalStatus::Approved)
        };
        let orphans = view
            .approvals
            .iter()
            .filter(|held| stands(&held.value) && find_dead(view, &held.value).is_some());
        for held in orphans.take(limit) {
            expire(held, "what it stands on has ended", change)?;
        }
        Ok(())
    }
}

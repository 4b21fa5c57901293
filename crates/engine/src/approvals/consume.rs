//! Using an approval, once.

use caracal_core::{Approval, ApprovalId, ApprovalStatus, EventType, Kind};

use super::find_dead;
use crate::change::Change;
use crate::zone_handle::ZoneHandle;
use crate::{Admin, AdminError, Engine, Operator};

/// Why an approval cannot be used.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// It is not approved (any more), or is for something else.
    Not,
    /// The state cannot be written.
    Failed(AdminError),
}

impl From<AdminError> for Unusable {
    fn from(error: AdminError) -> Self {
        Self::Failed(error)
    }
}

impl Engine {
    /// Uses an approval. Of several that try at the same time, one does.
    pub(super) async fn consume_approval(
        &self,
        handle: &ZoneHandle,
        id: ApprovalId,
        digest: &str,
        request_id: &str,
    ) -> Result<(), Unusable> {
        let admin = Admin::new(Operator::sweeper(), request_id);
        let used = self.write_as::<(), Unusable, _>(handle.id, &admin, |view| {
            let held = view.approvals.find(id).ok_or(Unusable::Not)?;
            let same =
                caracal_crypto::constant_time_eq(held.value.digest.as_bytes(), digest.as_bytes());
            let is_approved = held.value.status_at(self.now()) == ApprovalStatus::Approved;
            if !same || !is_approved || find_dead(view, &held.value).is_some() {
                return Err(Unusable::Not);
            }
            let mut approval = held.value.clone();
            approval.status = ApprovalStatus::Consumed;
            let mut change = Change::standalone(handle.id);
            change.read(Kind::Approval, id.uuid(), held.version);
            change.put(Kind::Approval, id.uuid(), None, held.version, &approval)?;
            change.events.push(self.approval_event(
                &approval,
                handle,
                EventType::ApprovalConsumed,
                &admin,
            ));
            Ok((change, ()))
        });
        used.await?;
        metrics::counter!("caracal_approvals_total", "outcome" => "consumed").increment(1);
        Ok(())
    }

    /// Gives an approval back of which nothing came: no mandate went out, no byte left.
    pub(super) async fn release_approval(
        &self,
        handle: &ZoneHandle,
        id: ApprovalId,
        request_id: &str,
    ) {
        let admin = Admin::new(Operator::sweeper(), request_id);
        let released = self.write(handle.id, &admin, |view| {
            let mut change = Change::standalone(handle.id);
            let held = view.approvals.find(id);
            let used = |approval: &Approval| {
                approval.status == ApprovalStatus::Consumed && self.now() < approval.expires_at
            };
            if let Some(held) = held.filter(|held| used(&held.value)) {
                let mut approval = held.value.clone();
                approval.status = ApprovalStatus::Approved;
                change.read(Kind::Approval, id.uuid(), held.version);
                change.put(Kind::Approval, id.uuid(), None, held.version, &approval)?;
                change.events.push(self.approval_event(
                    &approval,
                    handle,
                    EventType::ApprovalReleased,
                    &admin,
                ));
            }
            Ok((change, ()))
        });
        if let Err(error) = released.await {
            tracing::warn!(request_id, %error, "an unused approval could not be given back");
        }
    }
}

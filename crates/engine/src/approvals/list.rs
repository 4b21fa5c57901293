//! Looking at approvals.

use caracal_core::{Approval, ApprovalId, Role, ZoneId};

use crate::view::ZoneKeys;
use crate::{Admin, AdminError, Engine, IdListing, Versioned};

impl Engine {
    /// The approvals of a zone in the order of their ids, which is about that of their making.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn list_approvals(
        &self,
        zone: ZoneId,
        admin: &Admin,
        after: Option<ApprovalId>,
        limit: usize,
    ) -> Result<IdListing<Approval>, AdminError> {
        let view = self.readable(admin, zone)?;
        Ok(IdListing::of(view.approvals.iter_after(after), limit))
    }

    /// An approval of a zone.
    ///
    /// # Errors
    /// Needs the role viewer; there must be such an approval.
    pub fn get_approval(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: ApprovalId,
    ) -> Result<Versioned<Approval>, AdminError> {
        let view = self.readable(admin, zone)?;
        let held = view.approvals.find(id);
        held.map(|held| Versioned::of(held))
            .ok_or_else(|| AdminError::not_found("approval", id))
    }

    /// What whoever decides sees of a request: its very bytes, as far as they can be shown.
    ///
    /// # Errors
    /// Needs the role approver.
    pub fn show_approval(
        &self,
        zone: ZoneId,
        admin: &Admin,
        approval: &Approval,
    ) -> Result<String, AdminError> {
        admin.operator.require(Role::Approver, zone)?;
        let unreadable = |why: String| AdminError::Unavailable { why, done: false };
        let plain = self
            .keyring()
            .open(&approval.shown, &ZoneKeys::context(zone, "approval"))
            .map_err(|error| unreadable(format!("the request cannot be opened: {error}")))?;
        plain
            .expose_str()
            .map(str::to_owned)
            .ok_or_else(|| unreadable("the request is no text".to_owned()))
    }
}

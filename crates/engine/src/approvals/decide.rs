//! A person decides.

use caracal_core::{
    Approval, ApprovalId, ApprovalStatus, Approver, EventType, Kind, Role, RoleScope, SubjectId,
    ZoneId,
};
use jiff::SignedDuration;

use super::find_dead;
use crate::change::Change;
use crate::view::ZoneView;
use crate::{Admin, AdminError, Engine, Operator, Versioned};

/// What a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may happen, once.
    Approve,
    /// It may not.
    Reject,
}

impl Engine {
    /// An operator decides about an approval.
    ///
    /// # Errors
    /// Needs the role approver. [`AdminError::NotApprover`] for an approval that is the Subject's
    /// to decide, for one whose session this operator opened, and for the local socket, unless
    /// the zone sets `self_approval`; [`AdminError::AlreadyDecided`] when it is not pending.
    pub async fn decide_approval(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: ApprovalId,
        verdict: Verdict,
        reason: Option<String>,
    ) -> Result<Versioned<Approval>, AdminError> {
        admin.operator.require(Role::Approver, zone)?;
        let label = admin.operator.label();
        let may = |view: &ZoneView, approval: &Approval| {
            if approval.by != Approver::Operator {
                let why = "the subject of the session decides about this approval";
                return Err(AdminError::NotApprover(why.to_owned()));
            }
            if view.zone.value.self_approval {
                return Ok(());
            }
            if admin.operator == Operator::local() {
                let why = "the local socket decides about no approvals in this zone";
                return Err(AdminError::NotApprover(why.to_owned()));
            }
            if approval.opened_by.iter().any(|opened| opened == label) {
                let why =
                    "you opened a session that this approval is for, so another person decides";
                return Err(AdminError::NotApprover(why.to_owned()));
            }
            Ok(())
        };
        self.settle_approval(zone, admin, id, verdict, reason, may)
            .await
    }

    /// The Subject, who was proved, decides about an approval of a session that works for them.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] for an approval that is not theirs;
    /// [`AdminError::AlreadyDecided`] when it is not pending.
    pub(super) async fn decide_approval_as_subject(
        &self,
        zone: ZoneId,
        subject: SubjectId,
        id: ApprovalId,
        verdict: Verdict,
        reason: Option<String>,
        request_id: &str,
    ) -> Result<Versioned<Approval>, AdminError> {
        let operator = Operator::new(subject.to_string(), Role::Viewer, RoleScope::Zone(zone));
        let admin = Admin::new(operator, request_id);
        let may = |_: &ZoneView, approval: &Approval| {
            if approval.by == Approver::Subject && approval.subject == Some(subject) {
                Ok(())
            } else {
                Err(AdminError::not_found("approval", id))
            }
        };
        self.settle_approval(zone, &admin, id, verdict, reason, may)
            .await
    }

    async fn settle_approval(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: ApprovalId,
        verdict: Verdict,
        reason: Option<String>,
        may: impl Fn(&ZoneView, &Approval) -> Result<(), AdminError>,
    ) -> Result<Versioned<Approval>, AdminError> {
        crate::revoke::check_reason(reason.as_deref())?;
        let handle = self
            .zone_handle(zone)
            .ok_or_else(|| AdminError::not_found("zone", zone))?;
        let decided = self
            .write(zone, admin, |view| {
                let none = || AdminError::not_found("approval", id);
                let held = view.approvals.find(id).ok_or_else(none)?;
                may(view, &held.value)?;
                admin.check_version(held.version)?;
                let now = self.now();
                let status = held.value.status_at(now);
                if status != ApprovalStatus::Pending {
                    let why = format!("the approval is {} already", status.as_str());
                    return Err(AdminError::AlreadyDecided(why));
                }
                if let Some(anchor) = find_dead(view, &held.value) {
                    let why = format!("the {} that asked has ended", anchor.noun());
                    return Err(AdminError::AlreadyDecided(why));
                }
                let mut approval = held.value.clone();
                let (status, event_type) = match verdict {
                    Verdict::Approve => (ApprovalStatus::Approved, EventType::ApprovalApproved),
                    Verdict::Reject => (ApprovalStatus::Rejected, EventType::ApprovalRejected),
                };
                approval.status = status;
                approval.decided_by = Some(admin.operator.label().to_owned());
                approval.decided_at = Some(now);
                approval.reason = reason.clone();
                // From now on it can be used as long as it could wait.
                let lasts = SignedDuration::from_secs(Approval::SECONDS);
                approval.expires_at = now.saturating_add(lasts).unwrap_or(now);
                let mut change = Change::standalone(zone);
                change.read(Kind::Approval, id.uuid(), held.version);
                change.put(Kind::Approval, id.uuid(), None, held.version, &approval)?;
                let mut event = self.approval_event(&approval, &handle, event_type, admin);
                event.reason = reason.clone();
                change.events.push(event);
                let version = held.version.next();
                let value = approval;
                Ok((change, Versioned { version, value }))
            })
            .await?;
        let outcome = match verdict {
            Verdict::Approve => "approved",
            Verdict::Reject => "rejected",
        };
        metrics::counter!("caracal_approvals_total", "outcome" => outcome).increment(1);
        Ok(decided)
    }
}

//! Approvals: requests that policy holds for a person.
//!
//! An approval is for one request of one asker, which its digest names. It can be used once: its
//! use is a commit of its own, before the event of what it allows.

mod as_subject;
mod ask;
mod call;
mod consume;
mod decide;
mod list;
mod mint;
mod rendering;
mod reserved;
mod sweep;
mod wait;

use caracal_core::{Anchor, Approval, ApprovalId, Approver};
use caracal_policy::ApprovalBy;

pub(crate) use ask::{HeldRequest, NotHeld, digest_of};
pub(crate) use call::HeldCall;
pub(crate) use consume::Unusable;
pub use decide::Verdict;
pub(crate) use mint::{HeldIssue, covers, in_use};
pub(crate) use rendering::{CallShown, clean, of_call, of_mandate};
pub(crate) use reserved::Reserved;

use crate::view::ZoneView;

/// The most requests of one application that wait for a person.
pub const MAX_PENDING_OF_APPLICATION: usize = 100;
/// The most requests of one zone that wait for a person.
pub const MAX_PENDING_APPROVALS: usize = 1000;

/// An approval that a question to policy carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) id: ApprovalId,
    /// Who gave it.
    pub(crate) by: Approver,
}

impl Given {
    pub(crate) fn of(approval: &Approval) -> Self {
        Self {
            id: approval.id,
            by: approval.by,
        }
    }
}

/// Who must decide, in the words of the store.
pub(crate) fn approver(by: ApprovalBy) -> Approver {
    match by {
        ApprovalBy::Subject => Approver::Subject,
        ApprovalBy::Operator => Approver::Operator,
    }
}

/// What an answer demands beyond the approval that the question carried: none when that
/// suffices.
pub(crate) fn still_needed(
    answer: &caracal_policy::Answer,
    given: Option<Given>,
) -> Option<Approver> {
    let needed = answer.obligations.approval.map(approver);
    match answer.effect {
        caracal_policy::Effect::Deny(_) => None,
        // Without who, the strictest.
        caracal_policy::Effect::Hold => Some(needed.unwrap_or(Approver::Operator)),
        caracal_policy::Effect::Allow => {
            needed.filter(|needed| given.is_none_or(|given| given.by < *needed))
        }
    }
}

/// The anchor that has ended an approval: one that was revoked since, or is gone. The session that
/// a mandate brought along is no object that could be.
pub(crate) fn find_dead(view: &ZoneView, approval: &Approval) -> Option<Anchor> {
    let is_dead = |anchor: &Anchor| {
        let is_object = match anchor {
            Anchor::Session(id) => !is_brought(approval, *id),
            _ => true,
        };
        view.revokes(*anchor, approval.decided_on) || (is_object && view.is_gone(*anchor))
    };
    approval.anchors.iter().copied().find(is_dead)
}

/// True for a session that came with a mandate: its mandate is an anchor too.
fn is_brought(approval: &Approval, session: caracal_core::SessionId) -> bool {
    approval.anchors.iter().any(|anchor| {
        matches!(anchor, Anchor::Mandate(id) if caracal_core::SessionId::of_mandate(*id) == session)
    })
}

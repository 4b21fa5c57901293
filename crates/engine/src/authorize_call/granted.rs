//! A call that every gate has let through.

use caracal_core::{ApprovalId, Event};
use caracal_ledger::Receipt;

use super::CallSubject;
use crate::Target;
use crate::verify::OpenedMandate;

/// What became of a call.
pub(crate) enum Granting {
    /// It is allowed, and the event of that is durable.
    Granted(Box<Granted>),
    /// A person has to approve it, and its body must be known for that.
    Held(Target),
}

/// A call that is allowed.
pub(crate) struct Granted {
    pub(crate) opened: OpenedMandate,
    pub(super) subject: CallSubject,
    /// The event that says so.
    pub(crate) started: Box<Event>,
    pub(crate) receipt: Receipt,
    /// The approval that it has used up.
    pub(super) approval: Option<ApprovalId>,
}

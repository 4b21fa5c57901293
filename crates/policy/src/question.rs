//! What policy is asked.

use std::collections::BTreeSet;

use caracal_core::{
    ApprovalId, DelegationId, Enforcement, Label, Name, ResourceIdentifier, SessionId, SubjectId,
};
use jiff::Timestamp;

/// When policy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// A mandate is to be issued; there is no operation yet.
    Mint,
    /// An operation is to be done.
    Call,
}

impl Phase {
    /// The phase as policies see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mint => "mint",
            Self::Call => "call",
        }
    }
}

/// The last application on the path.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// Its name.
    pub application: &'a Name,
    /// The labels of its session.
    pub labels: &'a BTreeSet<Label>,
}

/// The last delegation on the path.
#[derive(Debug, Clone, Copy)]
pub struct DelegationView {
    /// The id.
    pub id: DelegationId,
    /// How many delegations the path has.
    pub depth: u32,
}

/// The operation, as it will be sent upstream.
#[derive(Debug, Clone, Copy)]
pub struct RequestView<'a> {
    /// The method; the caller shows HEAD as GET.
    pub method: &'a str,
    /// The path that is sent upstream.
    pub path: &'a str,
    /// The upstream's host.
    pub host: &'a str,
    /// The query as decoded `name=value`.
    pub query: &'a [String],
    /// The tool, where the operation is one.
    pub tool: Option<&'a str>,
    /// The tool's arguments.
    pub arguments: Option<&'a serde_json::Value>,
}

/// One question. Names are those of the vocabulary that the policy was compiled with.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// When it is asked.
    pub phase: Phase,
    /// The application that the session belongs to.
    pub application: &'a Name,
    /// The session.
    pub session: SessionId,
    /// The session's labels.
    pub labels: &'a BTreeSet<Label>,
    /// How many sessions are above it.
    pub depth: u32,
    /// The user that the session works for.
    pub subject: Option<SubjectId>,
    /// A scope, or `caracal:lend`.
    pub action: &'a str,
    /// The resource.
    pub resource: &'a ResourceIdentifier,
    /// Zone time.
    pub now: Timestamp,
    /// The last application on the path; absent when it is the session's own.
    pub actor: Option<Actor<'a>>,
    /// The last delegation on the path.
    pub delegation: Option<DelegationView>,
    /// The approval that this authority or call was given.
    pub approval: Option<ApprovalId>,
    /// Who enforces the second phase.
    pub enforcement: Enforcement,
    /// The operation; must be there in [`Phase::Call`]. In [`Phase::Mint`] it is there when the
    /// mandate names it exactly, and then nothing is deferred but what a person decides about.
    pub request: Option<RequestView<'a>>,
}

//! What is wanted of a mandate, and what policy says to each part of it.

use caracal_core::{
    Anchor, ApplicationId, Approval, ApprovalId, Approver, Resource, Scope, ScopeSet,
};
use caracal_policy::{Effect, Phase};
use jiff::Timestamp;

use crate::approvals::still_needed;
use crate::decide::{Asked, PathQuestion, ask_path};
use crate::exchange::Source;
use crate::meters::meters;
use crate::path::AuthorityPath;
use crate::view::ZoneView;
use crate::{IssueError, IssueRequest};

/// What is asked for.
pub(crate) struct Wanted<'r> {
    pub(crate) application: ApplicationId,
    pub(crate) key: Option<&'r str>,
    pub(crate) resources: Vec<&'r Resource>,
    /// None: every scope that is allowed.
    pub(crate) scopes: Option<ScopeSet>,
    pub(super) source: Option<Source<'r>>,
    pub(super) request: &'r IssueRequest,
    /// The approval to use.
    pub(crate) approval: Option<Approval>,
    pub(crate) now: Timestamp,
}

impl Wanted<'_> {
    /// The approval that comes with the mandate that is exchanged. Whoever acts by a delegation
    /// is somebody else, of whom the approver knew nothing.
    pub(crate) fn carried(&self) -> Option<ApprovalId> {
        let own = self.request.delegation_id.is_none();
        self.source.as_ref().filter(|_| own)?.approval()
    }
}

/// Every named resource that declares the scope must allow it; answers with who must approve
/// first, if somebody must.
pub(super) fn ask_for_scope(
    view: &ZoneView,
    path: &AuthorityPath,
    wanted: &Wanted<'_>,
    scope: &Scope,
    asked: &mut Asked,
) -> Result<Option<Approver>, IssueError> {
    let given = wanted.given(view, scope.as_str());
    let mut needed = None;
    if let Some(source) = &wanted.source
        && !source.scope().contains(scope.as_str())
    {
        let why = format!("the mandate that is exchanged does not have `{scope}`");
        return Err(IssueError::denied("mandate", why));
    }
    let declaring = wanted.resources.iter();
    for resource in declaring.filter(|r| r.declares(scope.as_str())) {
        let identifier = resource.identifier();
        if !path.allows(resource, scope.as_str()) {
            let why = format!("`{scope}` on `{identifier}` is beyond this session or delegation");
            let gate = if path.delegations.is_empty() {
                "session"
            } else {
                "delegation"
            };
            return Err(IssueError::denied(gate, why));
        }
        let Some(policy) = &view.policy else {
            let why = "no policy is active in this zone";
            return Err(IssueError::denied("policy", why));
        };
        let began = std::time::Instant::now();
        let question = PathQuestion {
            phase: Phase::Mint,
            action: scope.as_str(),
            resource: &identifier,
            now: wanted.now,
            enforcement: resource.enforcement,
            request: None,
            approval: given.map(|given| given.id),
            actor: None,
        };
        let answer = ask_path(policy, path, &question);
        meters().policy_mint.record(began.elapsed());
        let effect = answer.effect;
        needed = needed.max(still_needed(&answer, given));
        asked.add(answer);
        match effect {
            Effect::Allow | Effect::Hold => {}
            Effect::Deny(reason) => {
                let why = format!(
                    "{} for `{scope}` on `{identifier}`",
                    crate::decide::reason_text(reason)
                );
                return Err(IssueError::denied("policy", why));
            }
        }
    }
    Ok(needed)
}

/// No resource, and no provider of one, is revoked.
pub(super) fn check_alive(view: &ZoneView, resources: &[&Resource]) -> Result<(), IssueError> {
    for resource in resources {
        if view.is_revoked(Anchor::Resource(resource.id)) {
            let why = format!("`{}` is revoked", resource.identifier());
            return Err(IssueError::denied("revocation", why));
        }
        let provider = resource
            .provider
            .as_ref()
            .and_then(|name| view.providers.find(name.as_str()));
        if provider.is_some_and(|held| view.is_revoked(Anchor::Provider(held.value.id))) {
            let why = format!("the provider of `{}` is revoked", resource.identifier());
            return Err(IssueError::denied("revocation", why));
        }
    }
    Ok(())
}

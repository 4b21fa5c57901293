//! The proof that a slice of authority is within what it is taken from.

use caracal_core::{Authority, Enforcement, Resource};
use caracal_policy::{Effect, Phase};
use jiff::Timestamp;

use crate::decide::{PathQuestion, ask_path};
use crate::path::AuthorityPath;
use crate::view::ZoneView;
use crate::{Engine, IssueError};

impl Engine {
    /// Proves that every scope of a slice is one that the path has, or answers with the first
    /// that is not. What policy does not let the path have, it has not.
    pub(crate) fn check_narrower(
        &self,
        view: &ZoneView,
        path: &AuthorityPath,
        slice: &Authority,
        now: Timestamp,
    ) -> Result<(), IssueError> {
        for (identifier, scope) in slice.iter() {
            let resource = view.resources.find(identifier.name().as_str());
            let resource = &resource
                .ok_or_else(|| {
                    IssueError::InvalidTarget(format!("no resource `{identifier}` in this zone"))
                })?
                .value;
            if !resource.declares(scope.as_str()) {
                return Err(IssueError::InvalidScope(format!(
                    "`{identifier}` does not declare `{scope}`"
                )));
            }
            if !may_have(view, path, resource, scope.as_str(), now) {
                return Err(IssueError::NotNarrower {
                    resource: identifier.clone(),
                    scope: scope.clone(),
                });
            }
        }
        Ok(())
    }
}

/// True when nothing on a path takes a scope away, and policy would let it be minted, now or
/// once a person approves.
pub(crate) fn may_have(
    view: &ZoneView,
    path: &AuthorityPath,
    resource: &Resource,
    scope: &str,
    now: Timestamp,
) -> bool {
    if !path.allows(resource, scope) {
        return false;
    }
    let Some(policy) = &view.policy else {
        return false;
    };
    let identifier = resource.identifier();
    let question = PathQuestion {
        phase: Phase::Mint,
        action: scope,
        resource: &identifier,
        now,
        // A service that asks for the exact action may be told yes later.
        enforcement: Enforcement::Gateway,
        request: None,
        approval: None,
        actor: None,
    };
    let effect = ask_path(policy, path, &question).effect;
    !matches!(effect, Effect::Deny(_))
}

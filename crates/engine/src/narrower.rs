//! The proof that a slice of authority is within what it is taken from.

use caracal_core::{Authority, Enforcement, Resource};
use caracal_policy::{Effect, Phase};

use crate::decide::PathQuestion;
use crate::path::AuthorityPath;
use crate::questions::Questions;
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
        questions: &mut Questions<'_>,
    ) -> Result<(), IssueError> {
        questions.take(slice.iter().count() * path.len())?;
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
            if !self.may_have(view, path, resource, scope.as_str(), questions) {
                return Err(IssueError::NotNarrower {
                    resource: identifier.clone(),
                    scope: scope.clone(),
                });
            }
        }
        Ok(())
    }

    /// True when nothing on a path takes a scope away, and policy would let it be minted, now or
    /// once a person approves.
    pub(crate) fn may_have(
        &self,
        view: &ZoneView,
        path: &AuthorityPath,
        resource: &Resource,
        scope: &str,
        questions: &mut Questions<'_>,
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
            now: self.now(),
            // A service that asks for the exact action may be told yes later.
            enforcement: Enforcement::Gateway,
            request: None,
            approval: None,
            actor: None,
        };
        let effect = questions.ask(policy, path.whole(), &question).effect;
        !matches!(effect, Effect::Deny(_))
    }
}

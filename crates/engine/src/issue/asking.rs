//! What policy says to each part of what is wanted, on one path.

use std::collections::BTreeMap;

use caracal_core::{Approver, Resource, ResourceId, Scope};
use caracal_policy::{Effect, Phase};

use super::Wanted;
use super::exact::NamedCall;
use crate::IssueError;
use crate::approvals::still_needed;
use crate::decide::{Asked, PathQuestion, reason_text};
use crate::delegations::Lending;
use crate::meters::meters;
use crate::path::AuthorityPath;
use crate::questions::{Questions, TooMany};
use crate::view::ZoneView;

/// One path that is asked about.
pub(super) struct Asking<'a, 'e> {
    view: &'a ZoneView,
    path: &'a AuthorityPath,
    wanted: &'a Wanted<'a>,
    questions: &'a mut Questions<'e>,
    /// The steps from one application to another.
    steps: Vec<Lending<'a>>,
    /// Whether each resource is lent on all of them, as far as it was asked.
    lent: BTreeMap<ResourceId, Result<(), IssueError>>,
}

impl<'a, 'e> Asking<'a, 'e> {
    /// Nothing is asked where it could be too much.
    pub(super) fn about(
        view: &'a ZoneView,
        path: &'a AuthorityPath,
        wanted: &'a Wanted<'a>,
        questions: &'a mut Questions<'e>,
    ) -> Result<Self, TooMany> {
        let steps: Vec<_> = path
            .crossings()
            .map(|crossing| Lending::by(&crossing, wanted.now))
            .collect();
        let lending: usize = steps.iter().map(|step| step.lender.len()).sum();
        questions.take(wanted.pairs() * path.len() + wanted.resources.len() * lending)?;
        Ok(Self {
            view,
            path,
            wanted,
            questions,
            steps,
            lent: BTreeMap::new(),
        })
    }

    /// Every named resource that declares the scope must allow it; answers with who must approve
    /// first, if somebody must.
    pub(super) fn ask(
        &mut self,
        scope: &Scope,
        asked: &mut Asked,
    ) -> Result<Option<Approver>, IssueError> {
        let wanted = self.wanted;
        if let Some(source) = &wanted.source
            && !source.scope().contains(scope.as_str())
        {
            let why = format!("the mandate that is exchanged does not have `{scope}`");
            return Err(IssueError::denied("mandate", why));
        }
        let mut needed = None;
        let declaring = wanted.resources.iter();
        for resource in declaring.filter(|r| r.declares(scope.as_str())) {
            needed = needed.max(self.ask_on(resource, scope, asked)?);
        }
        Ok(needed)
    }

    fn ask_on(
        &mut self,
        resource: &Resource,
        scope: &Scope,
        asked: &mut Asked,
    ) -> Result<Option<Approver>, IssueError> {
        let (view, path, wanted) = (self.view, self.path, self.wanted);
        let identifier = resource.identifier();
        let requests = wanted.requests(&identifier, scope.as_str());
        if requests.is_empty() {
            return Ok(None);
        }
        if !path.allows(resource, scope.as_str()) {
            let why = format!("`{scope}` on `{identifier}` is beyond this session or delegation");
            let gate = if path.delegations.is_empty() {
                "session"
            } else {
                "delegation"
            };
            return Err(IssueError::denied(gate, why));
        }
        self.ask_to_lend(resource, asked)?;
        let Some(policy) = &view.policy else {
            let why = "no policy is active in this zone";
            return Err(IssueError::denied("policy", why));
        };
        let given = wanted.given(view, scope.as_str());
        let mut needed = None;
        for request in requests {
            let began = std::time::Instant::now();
            let question = PathQuestion {
                phase: Phase::Mint,
                action: scope.as_str(),
                resource: &identifier,
                now: wanted.now,
                enforcement: resource.enforcement_at_mint(),
                request: request.map(NamedCall::view),
                approval: given.map(|given| given.id),
                actor: None,
            };
            let answer = self.questions.ask(policy, path.whole(), &question);
            meters().policy_mint.record(began.elapsed());
            let effect = answer.effect;
            needed = needed.max(still_needed(&answer, given));
            asked.add(answer);
            if let Effect::Deny(reason) = effect {
                let reason = reason_text(reason);
                let why = format!("{reason} for `{scope}` on `{identifier}`");
                return Err(IssueError::denied("policy", why));
            }
        }
        Ok(needed)
    }

    /// Policy may have changed since it was lent, so it is asked at every mint, once a resource.
    fn ask_to_lend(&mut self, resource: &Resource, asked: &mut Asked) -> Result<(), IssueError> {
        if let Some(known) = self.lent.get(&resource.id) {
            return known.clone();
        }
        let identifier = resource.identifier();
        let mut steps = self.steps.iter();
        let lent =
            steps.try_for_each(|step| step.ask(self.view, &identifier, self.questions, asked));
        self.lent.insert(resource.id, lent.clone());
        lent
    }
}

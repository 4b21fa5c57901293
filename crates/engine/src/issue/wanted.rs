//! What is wanted of a mandate.

use caracal_core::{
    Anchor, ApplicationId, Approval, ApprovalId, Authority, AuthorizationDetail, Resource,
    ResourceIdentifier, Scope, ScopeSet,
};
use jiff::Timestamp;

use super::exact::NamedCall;
use crate::exchange::Source;
use crate::view::ZoneView;
use crate::{IssueError, IssueRequest};

/// What is asked for.
pub(crate) struct Wanted<'r> {
    pub(crate) application: ApplicationId,
    pub(crate) key: Option<&'r str>,
    pub(crate) resources: Vec<&'r Resource>,
    /// None: every scope that is allowed.
    pub(crate) scopes: Option<ScopeSet>,
    /// The requests that it is to name exactly; none: it names none.
    pub(super) calls: Option<Vec<NamedCall>>,
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

    /// The requests that it is to name, as the mandate tells them.
    pub(crate) fn details(&self) -> Vec<AuthorizationDetail> {
        let calls = self.calls.iter().flatten();
        calls.map(|call| call.detail.clone()).collect()
    }

    /// What policy is asked about of a scope on a resource: each request that is named, or one
    /// that is not known yet.
    pub(super) fn requests(
        &self,
        identifier: &ResourceIdentifier,
        scope: &str,
    ) -> Vec<Option<&NamedCall>> {
        match &self.calls {
            None => vec![None],
            Some(calls) => {
                let calls = calls.iter().filter(|call| call.is_of(identifier, scope));
                calls.map(Some).collect()
            }
        }
    }

    /// The scopes that are asked about.
    pub(super) fn candidates(&self) -> ScopeSet {
        match (&self.scopes, &self.source) {
            (Some(scopes), _) => scopes.clone(),
            (None, Some(source)) => source.scope().clone(),
            (None, None) => {
                let declared = self.resources.iter().flat_map(|r| r.scopes.iter());
                declared.cloned().collect()
            }
        }
    }

    /// How many scopes on resources, or requests, there are to ask about, at most.
    pub(super) fn pairs(&self) -> usize {
        if let Some(calls) = &self.calls {
            return calls.len();
        }
        let named = self.scopes.as_ref().map_or(usize::MAX, ScopeSet::len);
        let declared = self.resources.iter().map(|r| r.scopes.len().min(named));
        declared.sum()
    }

    /// True when a slice may suffice: it has every named scope, or any.
    pub(super) fn may_come_of(&self, slice: &Authority) -> bool {
        let has = |resource: &&Resource, scope: &str| slice.allows(&resource.identifier(), scope);
        let mut resources = self.resources.iter();
        match &self.scopes {
            Some(scopes) => resources.all(|resource| {
                let identifier = resource.identifier();
                let is_asked = |s: &&Scope| {
                    resource.declares(s.as_str())
                        && !self.requests(&identifier, s.as_str()).is_empty()
                };
                let declared = scopes.iter().filter(is_asked);
                declared
                    .into_iter()
                    .all(|scope| has(resource, scope.as_str()))
            }),
            None => resources.any(|r| r.scopes.iter().any(|scope| has(r, scope.as_str()))),
        }
    }
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

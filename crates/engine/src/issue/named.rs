//! The resources and scopes that a request names.

use caracal_core::{Event, Resource, ResourceIdentifier, ScopeSet, ZoneId};

use super::MAX_RESOURCES;
use crate::caller::Caller;
use crate::view::ZoneView;
use crate::{Engine, IssueError};

impl Engine {
    pub(super) fn named_resources<'v>(
        &self,
        view: &'v ZoneView,
        named: &[String],
    ) -> Result<Vec<&'v Resource>, IssueError> {
        if named.is_empty() {
            return Err(IssueError::InvalidTarget(
                "`resource` is required".to_owned(),
            ));
        }
        if named.len() > MAX_RESOURCES {
            let why = format!("at most {MAX_RESOURCES} resources");
            return Err(IssueError::InvalidTarget(why));
        }
        let mut resources: Vec<&Resource> = Vec::with_capacity(named.len());
        for text in named {
            let found = self
                .find_identifier(view, text)
                .and_then(|identifier| view.resources.find(identifier.name().as_str()));
            let Some(found) = found else {
                let shown: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
                let why = format!("no resource `{shown}` in this zone");
                return Err(IssueError::InvalidTarget(why));
            };
            if !resources.iter().any(|held| held.id == found.value.id) {
                resources.push(&found.value);
            }
        }
        Ok(resources)
    }

    /// A resource by its identifier or by its Gateway URL.
    pub(crate) fn find_identifier(
        &self,
        view: &ZoneView,
        text: &str,
    ) -> Option<ResourceIdentifier> {
        if let Ok(identifier) = text.parse() {
            return Some(identifier);
        }
        let prefix = format!(
            "{}/zones/{}/r/",
            self.0.config.gateway_url, view.zone.value.id
        );
        let name = text.strip_prefix(&prefix)?;
        name.strip_suffix('/')
            .unwrap_or(name)
            .parse()
            .ok()
            .map(ResourceIdentifier::new)
    }

    /// What a mandate for a resource calls it.
    pub(super) fn audiences(&self, zone: ZoneId, resource: &ResourceIdentifier) -> [String; 2] {
        [resource.to_string(), self.gateway_url_of(zone, resource)]
    }

    /// The Gateway URL of a resource.
    pub fn gateway_url_of(&self, zone: ZoneId, resource: &ResourceIdentifier) -> String {
        format!(
            "{}/zones/{zone}/r/{}",
            self.0.config.gateway_url,
            resource.name()
        )
    }
}

/// Writes what a mandate is for into an event.
pub(super) fn set_resources(event: &mut Event, identifiers: &[ResourceIdentifier]) {
    event.resource = identifiers.first().cloned();
    if identifiers.len() > 1 {
        event.resources = Some(identifiers.to_vec());
    }
}

/// Named scopes must each be declared by one of the resources.
pub(super) fn named_scopes(text: &str, resources: &[&Resource]) -> Result<ScopeSet, IssueError> {
    let scopes: ScopeSet = text
        .parse()
        .map_err(|e: caracal_core::ScopeError| IssueError::InvalidScope(e.to_string()))?;
    if scopes.is_empty() {
        return Err(IssueError::InvalidScope("`scope` is empty".to_owned()));
    }
    for scope in scopes.iter() {
        if !resources.iter().any(|r| r.declares(scope.as_str())) {
            let why = format!("no named resource declares `{scope}`");
            return Err(IssueError::InvalidScope(why));
        }
    }
    Ok(scopes)
}

/// A bearer mandate for a resource that takes none would only be refused later.
pub(super) fn check_bound(caller: &Caller, resources: &[&Resource]) -> Result<(), IssueError> {
    let asking = resources.iter().find(|resource| resource.requires_dpop);
    match asking {
        Some(resource) if caller.key.is_none() => {
            let identifier = resource.identifier();
            Err(IssueError::InvalidProof(format!(
                "`{identifier}` takes only mandates that are bound to a key: ask with a `DPoP` header"
            )))
        }
        _ => Ok(()),
    }
}

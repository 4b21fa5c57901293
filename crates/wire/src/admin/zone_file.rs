//! The file that `caracal apply` reads and `caracal export` writes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApplicationBody, ApplyRequest, IssuerBody, PolicyBody, PolicyTestBody, ProviderEntry,
    ResourceBody, RetentionBody, SecretSource, SecretValue, SinkEntry,
};

/// The configuration of a zone as a file. Secrets are named, not given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ZoneFile {
    /// The zone's name.
    pub zone: String,
    /// The applications.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<ApplicationBody>,
    /// The outside issuers, whose tokens prove workloads or people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<IssuerBody>,
    /// The providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<ProviderEntry>,
    /// The resources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceBody>,
    /// The sinks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<SinkEntry>,
    /// The policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PolicyBody>,
    /// The tests that must pass before the policies decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<PolicyTestBody>,
    /// How long the zone's events are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionBody>,
    /// True: operators may decide about approvals of sessions that they opened, and so may the
    /// local socket; a change needs the role owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_approval: Option<bool>,
}

impl ZoneFile {
    /// The request that applies this file. `resolve` reads a secret from its source.
    ///
    /// # Errors
    /// The first failure of `resolve`.
    pub fn into_request<E>(
        self,
        prune: bool,
        mut resolve: impl FnMut(&SecretSource) -> Result<SecretValue, E>,
    ) -> Result<ApplyRequest, E> {
        let mut providers = Vec::with_capacity(self.providers.len());
        for entry in self.providers {
            let secret = entry.secret.as_ref().map(&mut resolve).transpose()?;
            providers.push(entry.with_secret(secret));
        }
        let mut sinks = Vec::with_capacity(self.sinks.len());
        for entry in self.sinks {
            let secret = entry.secret.as_ref().map(&mut resolve).transpose()?;
            sinks.push(entry.with_secret(secret));
        }
        Ok(ApplyRequest {
            zone: Some(self.zone),
            applications: self.applications,
            issuers: self.issuers,
            providers,
            resources: self.resources,
            sinks,
            policies: self.policies,
            tests: self.tests,
            retention: self.retention,
            self_approval: self.self_approval,
            prune,
            base: None,
        })
    }
}

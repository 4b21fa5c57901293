//! Declarative configuration of a zone.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApplicationBody, IssuerBody, PolicyBody, PolicyTestBody, ProviderBody, ResourceBody, SinkBody,
};

/// What a zone should hold. It changes only what it names, unless `prune` is true.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// The name of the zone; `POST /v1/apply` creates it when it is missing. On
    /// `POST /v1/zones/{zone}/apply` it may be left out, and must else be that zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,62}$")]
    pub zone: Option<String>,
    /// The applications.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<ApplicationBody>,
    /// The outside issuers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<IssuerBody>,
    /// The providers, with their secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<ProviderBody>,
    /// The resources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceBody>,
    /// The sinks, with their secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<SinkBody>,
    /// The policies; added to the active ones, replacing those of the same name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PolicyBody>,
    /// The tests that must pass before the policies decide; added to those of the active
    /// bundle, replacing those of the same name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<PolicyTestBody>,
    /// How long the zone's events are kept; a change needs the role owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionBody>,
    /// True: operators may decide about approvals of sessions that they opened, and so may the
    /// local socket; a change needs the role owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_approval: Option<bool>,
    /// True: the zone holds exactly this afterwards; what is not named is removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prune: bool,
    /// The `base` of an earlier answer: when the configuration was changed since, nothing is
    /// done (412 `base_mismatch`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
}

/// How long the events of a zone are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionBody {
    /// In days, 1 to 36525; left out, or null, for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 36525)]
    pub events_days: Option<u32>,
}

/// What an apply did, or with `dry_run` would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApplyAnswer {
    /// The zone.
    pub zone: AppliedZone,
    /// The applications that were named.
    pub applications: Vec<AppliedApplication>,
    /// The outside issuers that were named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<AppliedObject>,
    /// The resources that were named.
    pub resources: Vec<AppliedObject>,
    /// The providers that were named.
    pub providers: Vec<AppliedObject>,
    /// The sinks that were named.
    #[serde(default)]
    pub sinks: Vec<AppliedObject>,
    /// The names of the policies that were named.
    pub policies: Vec<String>,
    /// The number of changes; 0 when everything was so already.
    pub changes: u64,
    /// The changes.
    #[serde(default)]
    pub changed: Vec<AppliedChange>,
    /// Names the configuration that this was decided on.
    #[serde(default)]
    pub base: String,
    /// True when nothing was written because `dry_run` was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// The zone of an apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppliedZone {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
}

/// An application of an apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppliedApplication {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The client secret, only when this call created it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
}

/// A resource or provider of an apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppliedObject {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
}

/// One field of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangedField {
    /// The field, as in a zone file; for a bundle `policies.NAME`.
    pub field: String,
    /// The value before; none when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub before: Option<serde_json::Value>,
    /// The value after; none when there is none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub after: Option<serde_json::Value>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppliedChange {
    /// `create`, `update`, `delete` or `activate`.
    pub action: String,
    /// The noun of what is changed.
    pub noun: String,
    /// Its name; for a bundle its version.
    pub name: String,
    /// What differs, field by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<ChangedField>,
    /// What happens to the secret of a provider or sink: `set`, `changed`, `unchanged`, `removed`, or `unknown`
    /// when the stored one cannot be opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

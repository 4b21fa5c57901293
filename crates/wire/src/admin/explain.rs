//! "Can X do Y?"

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A question to the active policies. Without a method and path it is asked as at mint, with
/// them as for a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainBody {
    /// The name of the application.
    pub application: String,
    /// The name of the resource.
    pub resource: String,
    /// The scope.
    pub scope: String,
    /// The method of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path of the request, as it is sent upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The query of the request, as it is sent upstream, without the `?`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// What the policies say, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecisionExplanation {
    /// `allow`, `deny` or `hold`.
    pub decision: String,
    /// Why it is denied: `no_permit`, `forbidden` or `policy_fault`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// Every statement that is about this application, action and resource.
    pub statements: Vec<ExplainedStatement>,
    /// Statements that differ in one part.
    pub near_misses: Vec<NearMissView>,
}

/// One statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedStatement {
    /// The policy.
    pub policy: String,
    /// The line in its text where the statement begins, from 1.
    pub line: u64,
    /// `permits`, `forbids`, `condition_not_met`, `fault` or `deferred`.
    pub status: String,
    /// What went wrong, for a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A statement that nearly matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NearMissView {
    /// The policy.
    pub policy: String,
    /// The line in its text where the statement begins, from 1.
    pub line: u64,
    /// True when it forbids, false when it permits.
    pub forbids: bool,
    /// The part that differs: `principal`, `action` or `resource`.
    pub part: String,
    /// What the statement names there.
    pub wanted: String,
}

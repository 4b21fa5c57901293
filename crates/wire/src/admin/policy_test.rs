//! Tests of policies.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::PolicyBody;

/// A question to the policies with the decision that is expected. Failing tests refuse the
/// activation of the bundle that they belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyTestBody {
    /// The name, unique among the tests.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,62}$")]
    pub name: String,
    /// The name of the application that asks.
    pub application: String,
    /// The labels of its session; the application must be registered for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The id of the user that the session works for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The name of the resource.
    pub resource: String,
    /// A scope of it, or `caracal:lend`.
    pub scope: String,
    /// The request of a call; left out, the test is about a mandate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<TestRequestBody>,
    /// Zone time; left out, when the test runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub now: Option<Timestamp>,
    /// True: an approval was given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approved: bool,
    /// `allow`, `deny` or `hold`.
    pub expect: String,
    /// Policies that must be among those which decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
}

/// The request of a test, as policies see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestRequestBody {
    /// The method.
    pub method: String,
    /// The path that is sent upstream.
    pub path: String,
    /// Decoded `name=value` pairs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<String>,
    /// The tool, where the operation is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
}

/// Which tests to run against which policies; what is left out is that of the active bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyTestRun {
    /// The policies, at most 1 MiB together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<PolicyBody>>,
    /// The tests, at most 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 1000)]
    pub tests: Option<Vec<PolicyTestBody>>,
}

/// What a run of tests found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyTestReport {
    /// The version that these policies and tests would have as a bundle.
    pub version: String,
    /// How many passed.
    pub passed: u64,
    /// How many failed.
    pub failed: u64,
    /// Every test, by name.
    pub results: Vec<PolicyTestResult>,
}

/// How one test ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyTestResult {
    /// The name.
    pub name: String,
    /// True: policy decides as expected.
    pub passed: bool,
    /// What is expected.
    pub expect: String,
    /// What policy decides; absent when the zone has not what the test names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// The policies that decide.
    pub policies: Vec<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

//! What the author of policies expects of them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Decision, Label, Name, SubjectId};

/// The most tests that one bundle may have.
pub const MAX_POLICY_TESTS: usize = 1_000;

/// A question to the policies of a bundle with the answer that its author expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyTest {
    /// Names the test; unique in its bundle.
    pub name: Name,
    /// The application that asks.
    pub application: Name,
    /// The labels of its session; the application must be registered for them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<Label>,
    /// The user that the session works for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    /// The resource.
    pub resource: Name,
    /// A scope of the resource, or `caracal:lend`.
    pub scope: String,
    /// The request of a call; without one the test is about a mandate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<TestRequest>,
    /// Zone time; absent: when the test runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Timestamp>,
    /// True: an approval was given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approved: bool,
    /// The expected decision.
    pub expect: Decision,
    /// Policies that must be among those which decide.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub by: BTreeSet<Name>,
}

/// The request of a [`PolicyTest`], as policies see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestRequest {
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

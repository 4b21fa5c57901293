//! Evidence as it is read.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One event. Its fields are those of the leaf; more may come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub struct EventView(pub serde_json::Value);

/// Why an event's decision was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventExplanation {
    /// The event.
    #[schema(value_type = Object)]
    pub event: serde_json::Value,
    /// Every gate that was passed or not, in order.
    #[serde(default)]
    pub gates: Vec<GateView>,
    /// The determining policies as they were.
    #[serde(default)]
    pub policies: Vec<ExplainedPolicy>,
    /// The other events of the same request, oldest first.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub related: Vec<serde_json::Value>,
}

/// One gate of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GateView {
    /// The gate.
    pub gate: String,
    /// What it said.
    pub outcome: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A policy that determined a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedPolicy {
    /// Its name.
    pub name: String,
    /// Its text, where the bundle is still stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cedar: Option<String>,
}

/// A proof that an event stands in its log (RFC 6962).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventProof {
    /// The log.
    pub log: String,
    /// The index of the leaf.
    pub index: u64,
    /// The hash of the leaf, standard base64.
    pub leaf: String,
    /// The signed note that the proof leads to.
    pub checkpoint: String,
    /// The key that verifies the note (C2SP signed-note).
    #[serde(default)]
    pub verifier: String,
    /// The size of the tree of that note.
    pub size: u64,
    /// The audit path, standard base64, nearest the leaf first.
    pub hashes: Vec<String>,
}

/// What stands for the first leaves of a log, which are not kept any more. It proves itself:
/// with the leaves that are kept it hashes to the signed checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrunedView {
    /// How many they are: the index of the first leaf that is kept.
    pub size: u64,
    /// The RFC 6962 hashes of their complete subtrees from the left, in standard base64.
    pub edge: Vec<String>,
}

/// A log of a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogView {
    /// The id.
    pub id: String,
    /// The first line of its checkpoints.
    pub origin: String,
    /// The key that its checkpoints are verified with (C2SP signed-note).
    pub verifier: String,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

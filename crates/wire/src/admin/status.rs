//! How the instance is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the process is; the shape of `caracal status --json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// True when every door is ready.
    pub ready: bool,
    /// The id of the process.
    pub pid: u32,
    /// The doors: `sts`, `gateway` and `console`.
    pub doors: BTreeMap<String, DoorView>,
    /// The release.
    pub version: String,
    /// The data directory; empty for operators of a single zone.
    pub home: String,
    /// How much room the disk has left: `plenty`, `low`, or `reserve`, in which new mandates and
    /// calls are refused.
    #[serde(default)]
    pub disk: String,
    /// How far what people search has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<IndexView>,
}

/// How far the index, what people search, has come. It is made from the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexView {
    /// Events up to this sequence number can be found.
    pub done: u64,
    /// The sequence number of the newest event.
    pub newest: u64,
}

/// One door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoorView {
    /// Its public URL.
    pub url: String,
    /// True when it answers.
    pub ready: bool,
}

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    /// The id.
    pub id: String,
    /// True when it can decide and record.
    pub ready: bool,
    /// The calls that it is forwarding now, of all zones; only for operators of all zones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_calls: Option<u64>,
    /// The release.
    pub version: String,
}

/// Whether a probe is answered well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    /// `ok` or `unavailable`.
    pub status: String,
}

//! The master key of the instance.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which master key seals, and what is sealed under older ones. Keys are told by public names
/// that tell nothing about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MasterKeyView {
    /// The public name of the key that seals.
    pub id: String,
    /// Where it comes from, in a few words.
    pub place: String,
    /// True when the running server can make a new one.
    pub can_rotate: bool,
    /// Since when it seals, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// How many secrets are sealed.
    pub sealed: u64,
    /// How many of them are sealed under an older key and wait to be sealed again.
    pub pending: u64,
    /// The zones in which some wait.
    pub zones: Vec<PendingZone>,
    /// What is sealed under an older key and cannot be opened, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<String>,
    /// The older keys that the server has.
    pub older: Vec<OlderMasterKey>,
    /// Since when nothing is sealed under another key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub settled_at: Option<Timestamp>,
}

/// A zone in which secrets wait to be sealed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PendingZone {
    /// Its name.
    pub name: String,
    /// How many.
    pub pending: u64,
}

/// A master key that only opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OlderMasterKey {
    /// Its public name.
    pub id: String,
    /// How many secrets are sealed under it.
    pub sealed: u64,
    /// True when it can be taken away.
    pub removable: bool,
}

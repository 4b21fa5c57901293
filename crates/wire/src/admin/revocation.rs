//! Facts that end authority.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A wanted revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevocationBody {
    /// The id of a mandate, session, delegation, application, subject, provider, resource or zone.
    pub anchor: String,
    /// Why, at most 1000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Why a zone is frozen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeBody {
    /// Why, at most 1000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevocationView {
    /// The id.
    pub id: String,
    /// The noun that it ends, such as `application`.
    pub noun: String,
    /// What it ends; everything below it ends too.
    pub anchor: String,
    /// True when it can never be lifted.
    pub is_final: bool,
    /// Counts its changes; `If-Match` speaks of it.
    pub version: u64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was lifted; what was issued before stays dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub lifted_at: Option<Timestamp>,
}

/// What the revoker gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevocationReceipt {
    /// The revocation.
    pub id: String,
    /// The revision from which on it holds.
    pub revision: u64,
    /// The nodes that have confirmed that they deny.
    pub confirmed_by: Vec<RevocationConfirmation>,
    /// Nodes that did not answer and whose lease ran out, so that they deny by themselves.
    pub expired_leases: Vec<String>,
    /// How long all of it took, in milliseconds.
    pub elapsed_ms: u64,
    /// What was revoked, counted by noun.
    pub revoked: BTreeMap<String, u64>,
    /// How many running calls were cut.
    pub streams_cut: u64,
}

/// One node's word that it denies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevocationConfirmation {
    /// The node.
    pub node: String,
    /// After how many milliseconds it confirmed.
    pub elapsed_ms: u64,
}

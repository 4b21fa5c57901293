//! Where people are told that something waits for them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{SecretSource, SecretValue};

/// A wanted sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SinkBody {
    /// The name, unique in the zone and immutable.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,62}$", example = "pager")]
    pub name: String,
    /// How it is spoken to.
    #[schema(pattern = "^(webhook|slack)$", example = "webhook")]
    pub kind: String,
    /// `webhook`: where messages go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `webhook`: the key of the signatures, `whsec_` and base64. `slack`: the URL of the webhook.
    /// When it is left out of a change, the stored one stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretValue>,
    /// What it is told of: `approval.requested` (alone, when left out), `approval.decided`,
    /// `approval.expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// True: messages hold the request itself, with its query and body. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_request: bool,
    /// True: it may be at a loopback or private address, where the instance allows them, and
    /// speak plain `http`. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_private: bool,
}

/// A sink in a zone file: a [`SinkBody`] whose secret is named, not given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SinkEntry {
    /// The name.
    pub name: String,
    /// `webhook` or `slack`.
    pub kind: String,
    /// See [`SinkBody::url`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where the secret is read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretSource>,
    /// See [`SinkBody::events`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// See [`SinkBody::include_request`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_request: bool,
    /// See [`SinkBody::allow_private`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_private: bool,
}

impl SinkEntry {
    /// The sink with this secret in place of its source.
    pub fn with_secret(self, secret: Option<SecretValue>) -> SinkBody {
        SinkBody {
            name: self.name,
            kind: self.kind,
            url: self.url,
            secret,
            events: self.events,
            include_request: self.include_request,
            allow_private: self.allow_private,
        }
    }
}

/// A sink. The secret is write-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SinkView {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// Counts its changes; `If-Match` speaks of it.
    pub version: u64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// How it is spoken to.
    pub kind: String,
    /// See [`SinkBody::url`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What it is told of.
    pub events: Vec<String>,
    /// See [`SinkBody::include_request`].
    pub include_request: bool,
    /// See [`SinkBody::allow_private`].
    pub allow_private: bool,
    /// Until when the secret before the current one signs beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub older_secret_until: Option<Timestamp>,
}

impl From<SinkView> for SinkBody {
    /// The body that changes nothing: without a secret, so that the stored one stays.
    fn from(view: SinkView) -> Self {
        Self {
            name: view.name,
            kind: view.kind,
            url: view.url,
            secret: None,
            events: Some(view.events),
            include_request: view.include_request,
            allow_private: view.allow_private,
        }
    }
}

/// A message to a sink, as the delivery log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// The id; the receiver of a webhook knows it as `webhook-id`, `msg_` in place of `dlv_`.
    pub id: String,
    /// The sink.
    pub sink: String,
    /// Its name at that time.
    pub sink_name: String,
    /// What it was told: `approval.requested`, `approval.decided`, `approval.expired` or
    /// `sink.tested`.
    pub event: String,
    /// The approval that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// `retrying`, `delivered` or `failed`.
    pub status: String,
    /// How often it was sent, when this was written down.
    pub attempts: u32,
    /// The status of the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// What failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When the attempt ended.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

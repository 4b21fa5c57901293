//! Where people are told that something waits for them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{AllowedHost, ApprovalId, DeliveryId, Name, SealedSecret, SinkId};

/// What a sink is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SinkEvent {
    /// A request waits for a person.
    #[serde(rename = "approval.requested")]
    Requested,
    /// A person has approved or rejected it.
    #[serde(rename = "approval.decided")]
    Decided,
    /// Nobody has decided in time, or what it stands on has ended.
    #[serde(rename = "approval.expired")]
    Expired,
    /// An operator tries the sink; no sink can ask for it.
    #[serde(rename = "sink.tested")]
    Tested,
}

impl SinkEvent {
    /// The word for it in files and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "approval.requested",
            Self::Decided => "approval.decided",
            Self::Expired => "approval.expired",
            Self::Tested => "sink.tested",
        }
    }
}

impl fmt::Display for SinkEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SinkEvent {
    type Err = String;

    /// Those that a sink can ask for.
    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Requested, Self::Decided, Self::Expired];
        let found = known.into_iter().find(|event| event.as_str() == text);
        found.ok_or_else(|| {
            "use `approval.requested`, `approval.decided` or `approval.expired`".to_owned()
        })
    }
}

/// How a sink is spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SinkKind {
    /// A signed request (Standard Webhooks); the secret is the key of its signatures.
    Webhook {
        /// Where it goes.
        url: String,
    },
    /// A webhook that takes Slack's `text` and `blocks`; its URL is the secret.
    Slack,
}

impl SinkKind {
    /// The name of the kind in files and answers.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Slack => "slack",
        }
    }
}

/// A secret that another has replaced, and that signs beside it for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlderSinkSecret {
    /// The sealed secret.
    pub secret: SealedSecret,
    /// Until when it signs.
    pub until: Timestamp,
}

/// A place that is told of approvals. The secret is write-only and bound, by its seal, to the
/// zone, this sink and the host it is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sink {
    /// The id.
    pub id: SinkId,
    /// The name, unique in the zone.
    pub name: Name,
    /// When it was made.
    pub created_at: Timestamp,
    /// It is told of nothing that was before.
    pub since: Timestamp,
    /// How it is spoken to.
    #[serde(flatten)]
    pub kind: SinkKind,
    /// The sealed secret; every stored sink has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SealedSecret>,
    /// The secret before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older: Option<OlderSinkSecret>,
    /// What it is told of; never empty.
    pub events: BTreeSet<SinkEvent>,
    /// True: messages hold the request itself, with its query and body.
    #[serde(default)]
    pub include_request: bool,
    /// True: loopback and private addresses are fine, if the instance allows them too.
    #[serde(default)]
    pub allow_private: bool,
}

impl Sink {
    /// How long a replaced secret signs beside its successor, in seconds: a day.
    pub const OVERLAP_SECONDS: i64 = 24 * 3600;

    /// The host that the secret is for, where the sink names one outside of its secret.
    pub fn hosts(&self) -> Vec<AllowedHost> {
        match &self.kind {
            SinkKind::Webhook { url } => host_of(url).into_iter().collect(),
            SinkKind::Slack => Vec::new(),
        }
    }
}

/// Host and port of a URL of a sink, as far as it has one.
fn host_of(url: &str) -> Option<AllowedHost> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    if let Ok(host) = authority.parse() {
        return Some(host);
    }
    let port = if scheme == "http" { 80 } else { 443 };
    format!("{authority}:{port}").parse().ok()
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStatus {
    /// It has failed, and is tried again.
    Retrying,
    /// The sink has taken it.
    Delivered,
    /// It is not tried any more.
    Failed,
}

impl DeliveryStatus {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// A message to a sink, as the delivery log has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The id; for an event of an approval it is always the same one for a sink.
    pub id: DeliveryId,
    /// The sink.
    pub sink: SinkId,
    /// Its name at that time.
    pub sink_name: Name,
    /// What it was told.
    pub event: SinkEvent,
    /// The approval that it is about; none for a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// How far it has come.
    pub status: DeliveryStatus,
    /// How often it was sent.
    pub attempts: u32,
    /// The status of the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// What failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When the last attempt ended.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url_has_the_port_of_its_scheme() {
        let host = |url: &str| host_of(url).map(|host| host.to_string());
        assert_eq!(host("https://a.example/x?y").unwrap(), "a.example:443");
        assert_eq!(host("http://[::1]/x").unwrap(), "[::1]:80");
        assert_eq!(host("http://127.0.0.1:9/").unwrap(), "127.0.0.1:9");
        assert_eq!(host("nothing"), None);
    }

    #[test]
    fn a_sink_cannot_ask_to_be_tested() {
        assert!("approval.decided".parse::<SinkEvent>().is_ok());
        assert!("sink.tested".parse::<SinkEvent>().is_err());
    }
}

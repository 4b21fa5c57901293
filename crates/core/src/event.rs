//! Evidence: what one leaf of a log says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ApplicationId, ApprovalId, BundleVersion, DelegationId, EventId, LogId, Name, NodeId,
    PrunedRange, ResourceIdentifier, ScopeSet, SessionId, SubjectId, TraceId, ZoneId,
};

/// What happened, as `noun.verbed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each variant is its text")]
pub enum EventType {
    #[serde(rename = "zone.created")]
    ZoneCreated,
    #[serde(rename = "application.registered")]
    ApplicationRegistered,
    #[serde(rename = "application.updated")]
    ApplicationUpdated,
    #[serde(rename = "application.deleted")]
    ApplicationDeleted,
    #[serde(rename = "resource.registered")]
    ResourceRegistered,
    #[serde(rename = "resource.updated")]
    ResourceUpdated,
    #[serde(rename = "resource.deleted")]
    ResourceDeleted,
    #[serde(rename = "provider.connected")]
    ProviderConnected,
    #[serde(rename = "provider.updated")]
    ProviderUpdated,
    #[serde(rename = "provider.deleted")]
    ProviderDeleted,
    #[serde(rename = "issuer.registered")]
    IssuerRegistered,
    #[serde(rename = "issuer.updated")]
    IssuerUpdated,
    #[serde(rename = "issuer.deleted")]
    IssuerDeleted,
    #[serde(rename = "bundle.stored")]
    BundleStored,
    #[serde(rename = "bundle.forgotten")]
    BundleForgotten,
    #[serde(rename = "policy.activated")]
    PolicyActivated,
    #[serde(rename = "token.created")]
    TokenCreated,
    #[serde(rename = "token.deleted")]
    TokenDeleted,
    #[serde(rename = "mandate.issued")]
    MandateIssued,
    #[serde(rename = "mandate.denied")]
    MandateDenied,
    #[serde(rename = "call.started")]
    CallStarted,
    #[serde(rename = "call.finished")]
    CallFinished,
    #[serde(rename = "call.denied")]
    CallDenied,
    #[serde(rename = "call.decided")]
    CallDecided,
    #[serde(rename = "call.reported")]
    CallReported,
    #[serde(rename = "authority.revoked")]
    AuthorityRevoked,
    #[serde(rename = "revocation.lifted")]
    RevocationLifted,
    #[serde(rename = "revocation.expired")]
    RevocationExpired,
    #[serde(rename = "operation.refused")]
    OperationRefused,
    #[serde(rename = "log.opened")]
    LogOpened,
    #[serde(rename = "log.pruned")]
    LogPruned,
    #[serde(rename = "index.rebuilt")]
    IndexRebuilt,
    #[serde(rename = "zone.updated")]
    ZoneUpdated,
    #[serde(rename = "key.rotated")]
    KeyRotated,
    #[serde(rename = "key.dropped")]
    KeyDropped,
    #[serde(rename = "backup.taken")]
    BackupTaken,
    #[serde(rename = "store.restored")]
    StoreRestored,
    #[serde(rename = "zone.restored")]
    ZoneRestored,
    #[serde(rename = "disk.low")]
    DiskLow,
    #[serde(rename = "disk.reserved")]
    DiskReserved,
    #[serde(rename = "disk.cleared")]
    DiskCleared,
    #[serde(rename = "refusals.summarized")]
    RefusalsSummarized,
    #[serde(rename = "key.expired")]
    KeyExpired,
    #[serde(rename = "secret.rotated")]
    SecretRotated,
    #[serde(rename = "secret.ended")]
    SecretEnded,
    #[serde(rename = "secret.expired")]
    SecretExpired,
    #[serde(rename = "secret.used")]
    SecretUsed,
    #[serde(rename = "secret.resealed")]
    SecretResealed,
    #[serde(rename = "master_key.rotated")]
    MasterKeyRotated,
    #[serde(rename = "master_key.retired")]
    MasterKeyRetired,
    #[serde(rename = "session.opened")]
    SessionOpened,
    #[serde(rename = "session.denied")]
    SessionDenied,
    #[serde(rename = "session.suspended")]
    SessionSuspended,
    #[serde(rename = "session.resumed")]
    SessionResumed,
    #[serde(rename = "session.taken")]
    SessionTaken,
    #[serde(rename = "session.closed")]
    SessionClosed,
    #[serde(rename = "session.expired")]
    SessionExpired,
    #[serde(rename = "delegation.created")]
    DelegationCreated,
    #[serde(rename = "delegation.denied")]
    DelegationDenied,
    #[serde(rename = "delegation.accepted")]
    DelegationAccepted,
    #[serde(rename = "delegation.ended")]
    DelegationEnded,
    #[serde(rename = "delegation.expired")]
    DelegationExpired,
    #[serde(rename = "budget.reserved")]
    BudgetReserved,
    #[serde(rename = "approval.requested")]
    ApprovalRequested,
    #[serde(rename = "approval.approved")]
    ApprovalApproved,
    #[serde(rename = "approval.rejected")]
    ApprovalRejected,
    #[serde(rename = "approval.expired")]
    ApprovalExpired,
    #[serde(rename = "approval.denied")]
    ApprovalDenied,
    #[serde(rename = "approval.consumed")]
    ApprovalConsumed,
    #[serde(rename = "approval.released")]
    ApprovalReleased,
    #[serde(rename = "approval.forgotten")]
    ApprovalForgotten,
    #[serde(rename = "sink.created")]
    SinkCreated,
    #[serde(rename = "sink.updated")]
    SinkUpdated,
    #[serde(rename = "sink.deleted")]
    SinkDeleted,
    #[serde(rename = "delivery.made")]
    DeliveryMade,
    #[serde(rename = "delivery.delayed")]
    DeliveryDelayed,
    #[serde(rename = "delivery.failed")]
    DeliveryFailed,
}

impl EventType {
    /// The text of the type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ZoneCreated => "zone.created",
            Self::ApplicationRegistered => "application.registered",
            Self::ApplicationUpdated => "application.updated",
            Self::ApplicationDeleted => "application.deleted",
            Self::ResourceRegistered => "resource.registered",
            Self::ResourceUpdated => "resource.updated",
            Self::ResourceDeleted => "resource.deleted",
            Self::ProviderConnected => "provider.connected",
            Self::ProviderUpdated => "provider.updated",
            Self::ProviderDeleted => "provider.deleted",
            Self::IssuerRegistered => "issuer.registered",
            Self::IssuerUpdated => "issuer.updated",
            Self::IssuerDeleted => "issuer.deleted",
            Self::BundleStored => "bundle.stored",
            Self::BundleForgotten => "bundle.forgotten",
            Self::PolicyActivated => "policy.activated",
            Self::TokenCreated => "token.created",
            Self::TokenDeleted => "token.deleted",
            Self::MandateIssued => "mandate.issued",
            Self::MandateDenied => "mandate.denied",
            Self::CallStarted => "call.started",
            Self::CallFinished => "call.finished",
            Self::CallDenied => "call.denied",
            Self::CallDecided => "call.decided",
            Self::CallReported => "call.reported",
            Self::AuthorityRevoked => "authority.revoked",
            Self::RevocationLifted => "revocation.lifted",
            Self::RevocationExpired => "revocation.expired",
            Self::OperationRefused => "operation.refused",
            Self::LogOpened => "log.opened",
            Self::LogPruned => "log.pruned",
            Self::IndexRebuilt => "index.rebuilt",
            Self::ZoneUpdated => "zone.updated",
            Self::KeyRotated => "key.rotated",
            Self::KeyDropped => "key.dropped",
            Self::BackupTaken => "backup.taken",
            Self::StoreRestored => "store.restored",
            Self::ZoneRestored => "zone.restored",
            Self::DiskLow => "disk.low",
            Self::DiskReserved => "disk.reserved",
            Self::DiskCleared => "disk.cleared",
            Self::RefusalsSummarized => "refusals.summarized",
            Self::KeyExpired => "key.expired",
            Self::SecretRotated => "secret.rotated",
            Self::SecretEnded => "secret.ended",
            Self::SecretExpired => "secret.expired",
            Self::SecretUsed => "secret.used",
            Self::SecretResealed => "secret.resealed",
            Self::MasterKeyRotated => "master_key.rotated",
            Self::MasterKeyRetired => "master_key.retired",
            Self::SessionOpened => "session.opened",
            Self::SessionDenied => "session.denied",
            Self::SessionSuspended => "session.suspended",
            Self::SessionResumed => "session.resumed",
            Self::SessionTaken => "session.taken",
            Self::SessionClosed => "session.closed",
            Self::SessionExpired => "session.expired",
            Self::DelegationCreated => "delegation.created",
            Self::DelegationDenied => "delegation.denied",
            Self::DelegationAccepted => "delegation.accepted",
            Self::DelegationEnded => "delegation.ended",
            Self::DelegationExpired => "delegation.expired",
            Self::BudgetReserved => "budget.reserved",
            Self::ApprovalRequested => "approval.requested",
            Self::ApprovalApproved => "approval.approved",
            Self::ApprovalRejected => "approval.rejected",
            Self::ApprovalExpired => "approval.expired",
            Self::ApprovalDenied => "approval.denied",
            Self::ApprovalConsumed => "approval.consumed",
            Self::ApprovalReleased => "approval.released",
            Self::ApprovalForgotten => "approval.forgotten",
            Self::SinkCreated => "sink.created",
            Self::SinkUpdated => "sink.updated",
            Self::SinkDeleted => "sink.deleted",
            Self::DeliveryMade => "delivery.made",
            Self::DeliveryDelayed => "delivery.delayed",
            Self::DeliveryFailed => "delivery.failed",
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It may happen.
    Allow,
    /// It may not.
    Deny,
    /// A person decides.
    Hold,
}

impl Decision {
    /// The decision in events and listings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Hold => "hold",
        }
    }
}

/// The operation of a governed call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationRef {
    /// The HTTP method.
    pub method: String,
    /// The template of the rule that matched; absent when none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The tool, where the operation is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
}

/// One event. `log` and `index` are filled in when it is appended. It holds ids, never
/// personal data and never a secret.
///
/// The fields stand in the order of RFC 8785, so that plain serializing is canonical.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The application, where one was authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationId>,
    /// The approval that it is about, or that it used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// How often each refusal was given, as `door.code`, where the event stands for many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<BTreeMap<String, u64>>,
    /// What was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The delegations on the path that authority came by, root first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegations: Option<Vec<DelegationId>>,
    /// The id.
    pub id: EventId,
    /// Its leaf index in that log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Salted digest of the decision's inputs, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs_digest: Option<String>,
    /// How long the call took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// The log it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogId>,
    /// The mandate that was issued or used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandate: Option<crate::MandateId>,
    /// The process that recorded it.
    pub node: NodeId,
    /// The operation of a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationRef>,
    /// Who administered: an operator's id, or `local` for the local socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The session above this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
    /// The determining policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<Name>>,
    /// The bundle that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<BundleVersion>,
    /// Which leaves of the log may be missing from now on; only in `log.pruned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruned: Option<PrunedRange>,
    /// The gate that decided, or why a call ended as it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The request it belongs to; start and end of a call share it.
    pub request_id: String,
    /// The resource; for several, the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceIdentifier>,
    /// Every resource, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Vec<ResourceIdentifier>>,
    /// The revision of the commit that this event came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The scopes that were asked for or used.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::scope::list"
    )]
    pub scopes: Option<ScopeSet>,
    /// The application that verified the mandate itself, and asks or reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ApplicationId>,
    /// The session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// When the first that it counts may have happened; `time` is when the last may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The upstream's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    /// The id of the object that was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The name of the object that was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_name: Option<Name>,
    /// When it happened, in zone time.
    pub time: Timestamp,
    /// The trace that the client says its request belongs to (W3C Trace Context).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// The version of this format: 1.
    pub v: u8,
    /// The zone.
    pub zone: ZoneId,
}

impl Event {
    /// An event with only what every event has.
    pub fn new(
        id: EventId,
        time: Timestamp,
        zone: ZoneId,
        node: NodeId,
        event_type: EventType,
        request_id: impl Into<String>,
    ) -> Self {
        Self {
            id,
            time,
            zone,
            node,
            event_type,
            request_id: request_id.into(),
            application: None,
            approval: None,
            counts: None,
            service: None,
            since: None,
            session: None,
            subject: None,
            mandate: None,
            operator: None,
            target: None,
            target_name: None,
            resource: None,
            resources: None,
            scopes: None,
            operation: None,
            inputs_digest: None,
            decision: None,
            delegations: None,
            parent: None,
            reason: None,
            policies: None,
            policy_version: None,
            pruned: None,
            status: None,
            latency_ms: None,
            trace_id: None,
            revision: None,
            log: None,
            index: None,
            v: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_a_list() {
        let scopes: ScopeSet = "b a".parse().unwrap();
        let id = |n| uuid::Uuid::from_u128(n);
        let mut event = Event::new(
            EventId::from_uuid(id(1)),
            Timestamp::UNIX_EPOCH,
            ZoneId::from_uuid(id(2)),
            NodeId::from_uuid(id(3)),
            EventType::CallStarted,
            "req",
        );
        event.scopes = Some(scopes);
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["scopes"], serde_json::json!(["a", "b"]));
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
    }

    #[test]
    fn the_text_of_a_type_is_what_serde_writes() {
        for event_type in [
            EventType::ZoneCreated,
            EventType::MandateIssued,
            EventType::CallStarted,
            EventType::CallDecided,
            EventType::CallReported,
            EventType::RevocationLifted,
            EventType::LogOpened,
            EventType::RefusalsSummarized,
            EventType::LogPruned,
            EventType::IndexRebuilt,
            EventType::BundleForgotten,
            EventType::ZoneUpdated,
            EventType::SessionOpened,
            EventType::SessionTaken,
            EventType::DelegationAccepted,
            EventType::BudgetReserved,
        ] {
            let json = serde_json::to_value(event_type).unwrap();
            assert_eq!(json, event_type.as_str());
        }
    }
}

//! Approvals.

use caracal_core::{Approval, ApprovalSubject};
use caracal_engine::Versioned;
use caracal_wire::{ApprovalRequestView, ApprovalView};
use jiff::Timestamp;

pub(crate) fn approval_view(
    held: Versioned<Approval>,
    now: Timestamp,
    shown: Option<String>,
) -> ApprovalView {
    let Versioned { version, value } = held;
    let status = value.status_at(now).as_str().to_owned();
    let (kind, resources, scopes, method, path) = match value.asked {
        ApprovalSubject::Mandate { resources, scopes } => {
            ("mandate", resources, scopes, None, None)
        }
        ApprovalSubject::Call {
            resource,
            scope,
            method,
            path,
        } => ("call", vec![resource], scope, Some(method), path),
    };
    ApprovalView {
        id: value.id.to_string(),
        status,
        request: ApprovalRequestView {
            kind: kind.to_owned(),
            resources: resources.iter().map(ToString::to_string).collect(),
            scopes: scopes.iter().map(ToString::to_string).collect(),
            method,
            path,
        },
        expires_at: value.expires_at,
        reason: value.reason,
        version: Some(version.0),
        by: value.by.as_str().to_owned(),
        application: value.application.to_string(),
        session: value.session.map(|id| id.to_string()),
        subject: value.subject.map(|id| id.to_string()),
        delegations: value.delegations.iter().map(ToString::to_string).collect(),
        policies: value.policies.iter().map(ToString::to_string).collect(),
        created_at: value.created_at,
        decided_by: value.decided_by,
        decided_at: value.decided_at,
        shown,
    }
}

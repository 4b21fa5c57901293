//! Waiting for a person.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use caracal_core::{Approval, ApprovalId, ApprovalSubject};
use caracal_wire::{ApprovalRequestView, ApprovalView};
use http::{Extensions, HeaderMap};
use url::form_urlencoded;

use crate::answer::Refused;
use crate::json_request::{JsonRequest, id};
use crate::router::Sts;

/// The longest wait, in seconds.
const MAX_WAIT: u64 = 25;

pub(crate) async fn get(
    State(sts): State<Sts>,
    Path(approval): Path<String>,
    RawQuery(query): RawQuery,
    extensions: Extensions,
    headers: HeaderMap,
) -> Response {
    let parts = (extensions, headers, Body::empty());
    JsonRequest::answer_waiting(sts, parts, async |request| {
        let approval: ApprovalId = id("id", &approval)?;
        let wait = wait(query.as_deref().unwrap_or_default())?;
        let engine = request.engine();
        let found = engine
            .wait_for_approval(request.caller(), request.key(), approval, wait)
            .await?;
        Ok(view(found, engine.now()))
    })
    .await
}

/// How long to wait at most.
fn wait(query: &str) -> Result<Duration, Refused> {
    let mut wait = Duration::ZERO;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let seconds = value.parse().ok().filter(|_| name == "wait");
        let seconds: u64 = seconds.ok_or_else(|| {
            Refused::invalid_request(format!("the query is `wait` with 0 to {MAX_WAIT} seconds"))
        })?;
        wait = Duration::from_secs(seconds.min(MAX_WAIT));
    }
    Ok(wait)
}

/// What whoever asked is told: not who decided, nor by which policies it is held.
pub(crate) fn view(approval: Approval, now: jiff::Timestamp) -> ApprovalView {
    let status = approval.status_at(now).as_str().to_owned();
    let request = match approval.asked {
        ApprovalSubject::Mandate { resources, scopes } => ApprovalRequestView {
            kind: "mandate".to_owned(),
            resources: resources.iter().map(ToString::to_string).collect(),
            scopes: scopes.iter().map(ToString::to_string).collect(),
            method: None,
            path: None,
        },
        ApprovalSubject::Call {
            resource,
            scope,
            method,
            path,
        } => ApprovalRequestView {
            kind: "call".to_owned(),
            resources: vec![resource.to_string()],
            scopes: scope.iter().map(ToString::to_string).collect(),
            method: Some(method),
            path,
        },
    };
    ApprovalView {
        id: approval.id.to_string(),
        status,
        request,
        expires_at: approval.expires_at,
        reason: approval.reason,
        version: None,
        by: approval.by.as_str().to_owned(),
        application: approval.application.to_string(),
        session: approval.session.map(|id| id.to_string()),
        subject: approval.subject.map(|id| id.to_string()),
        delegations: approval
            .delegations
            .iter()
            .map(ToString::to_string)
            .collect(),
        policies: Vec::new(),
        created_at: approval.created_at,
        decided_by: None,
        decided_at: approval.decided_at,
        shown: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_bounded_and_nothing_else_is_asked() {
        assert_eq!(wait("").unwrap(), Duration::ZERO);
        assert_eq!(wait("wait=3").unwrap(), Duration::from_secs(3));
        assert_eq!(wait("wait=9999").unwrap(), Duration::from_secs(25));
        for bad in ["wait=-1", "wait=x", "Wait=3", "x=1"] {
            assert_eq!(wait(bad).unwrap_err().status, 400, "{bad}");
        }
    }
}

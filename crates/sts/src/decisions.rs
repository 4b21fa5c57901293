//! The Subject decides: a person who proves to be the one that the work is done for.
//!
//! What they prove it with is an ID token of a registered issuer that was made for this approval: its
//! `nonce` is the approval's id. It stands in the `Authorization` header.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use caracal_engine::{IssueError, Verdict};
use caracal_wire::{ApprovalView, DecisionBody};
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap};

use crate::admission::source;
use crate::answer::{Refused, json};
use crate::approvals::view;
use crate::form::posted;
use crate::json_request::id;
use crate::router::Sts;

pub(crate) async fn approve(
    sts: State<Sts>,
    approval: Path<String>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(sts, approval, (extensions, headers, body), Verdict::Approve).await
}

pub(crate) async fn reject(
    sts: State<Sts>,
    approval: Path<String>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(sts, approval, (extensions, headers, body), Verdict::Reject).await
}

async fn answer(
    State(sts): State<Sts>,
    Path(approval): Path<String>,
    (extensions, headers, body): (Extensions, HeaderMap, Body),
    verdict: Verdict,
) -> Response {
    let request_id = sts.engine.new_request_id();
    let decided = decide(&sts, &approval, &headers, body, verdict, &request_id).await;
    match decided {
        Ok(decided) => json(&decided, &request_id),
        Err(refused) if refused.status == 400 || refused.status == 401 || refused.status == 403 => {
            // Whoever tries tokens is told to slow down.
            let refused = sts.failed(source(&extensions), refused);
            refused.answer(&sts, &request_id)
        }
        Err(refused) => refused.answer(&sts, &request_id),
    }
}

async fn decide(
    sts: &Sts,
    approval: &str,
    headers: &HeaderMap,
    body: Body,
    verdict: Verdict,
    request_id: &str,
) -> Result<ApprovalView, Refused> {
    let approval = id("id", approval)?;
    let token = bearer(headers).ok_or_else(|| {
        let why = "send the ID token of the Subject as `Authorization: Bearer`";
        Refused::new(401, "invalid_client", why)
    })?;
    let body = posted(body).await?;
    let body: DecisionBody = if body.is_empty() {
        DecisionBody::default()
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| Refused::invalid_request(format!("the body: {error}")))?
    };
    let decided = sts
        .engine
        .decide_as_subject(token, approval, verdict, body.reason, request_id)
        .await;
    let decided = decided.map_err(|error| {
        // Nobody is known by a token that is not accepted.
        let is_recorded = matches!(error, IssueError::Conflict { .. });
        Refused {
            is_recorded,
            ..error.into()
        }
    })?;
    Ok(view(decided.value, sts.engine.now()))
}

/// The only credential of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (scheme, token) = values.next()?.to_str().ok()?.split_once(' ')?;
    let is_only = values.next().is_none() && scheme.eq_ignore_ascii_case("bearer");
    is_only.then(|| token.trim())
}

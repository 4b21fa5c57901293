//! Decisions for services that verify mandates themselves.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use caracal_engine::{CallDecision, DecideRequest, IssueError, PresentedProof, ServiceProof};
use caracal_wire::{
    DecideBody, DecideProofBody, DecideRequestBody, DecidedMandateView, DecisionView,
};
use http::{Extensions, HeaderMap};

use crate::answer::Refused;
use crate::json_request::JsonRequest;
use crate::router::Sts;

/// The most pairs of a query.
const MAX_PAIRS: usize = 256;

pub(crate) async fn decide(
    State(sts): State<Sts>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let parts = (extensions, headers, body);
    JsonRequest::answer(sts, parts, 200, async |request| {
        let body: DecideBody = request.parse()?;
        check(&body.request)?;
        let arguments = body.request.arguments.map(serde_json::Value::Object);
        let asked = DecideRequest {
            request_id: &request.request_id,
            resource: &body.resource,
            mandate: &body.mandate,
            method: &body.request.method,
            path: &body.request.path,
            query: body.request.query,
            host: body.request.host.as_deref(),
            tool: body.request.tool.as_deref(),
            arguments: arguments.as_ref(),
            proof: body.proof.map(proof),
        };
        let engine = request.engine();
        let decided = engine
            .decide_for_service(request.caller(), request.key(), &asked)
            .await
            .map_err(refused)?;
        Ok(view(decided, &request.request_id))
    })
    .await
}

/// Only that a service asked about what is not its own has an event.
pub(crate) fn refused(error: IssueError) -> Refused {
    let is_recorded = matches!(
        error,
        IssueError::AccessDenied {
            gate: "resource",
            ..
        }
    );
    Refused {
        is_recorded,
        ..error.into()
    }
}

/// What is not of the form that it must have, and would not be seen as it is.
fn check(request: &DecideRequestBody) -> Result<(), Refused> {
    let is_word = |text: &str, most: usize, more: &[u8]| {
        (1..=most).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    let wrong = |why: &str| Err(Refused::invalid_request(format!("`request.{why}")));
    if !is_word(&request.method, 32, b"-_") {
        return wrong("method`: use an HTTP method");
    }
    if request.path.contains(['?', '#']) {
        return wrong("path`: leave query and fragment out");
    }
    if request.query.len() > MAX_PAIRS || !request.query.iter().all(|pair| pair.contains('=')) {
        return wrong("query`: at most 256 decoded `name=value`");
    }
    if request
        .host
        .as_deref()
        .is_some_and(|host| !is_word(host, 255, b".-:[]"))
    {
        return wrong("host`: use a host name, with a port where it is not the default");
    }
    if request
        .tool
        .as_deref()
        .is_some_and(|tool| !is_word(tool, 128, b"._-:/"))
    {
        return wrong("tool`: use 1 to 128 of letters, digits and `._-:/`");
    }
    Ok(())
}

fn proof(body: DecideProofBody) -> ServiceProof {
    match body {
        DecideProofBody::Shown { dpop, method, url } => ServiceProof::Shown(PresentedProof {
            headers: vec![dpop],
            method,
            path: url,
        }),
        DecideProofBody::Checked { checked_key } => ServiceProof::Checked(checked_key),
    }
}

fn view(decided: CallDecision, request_id: &str) -> DecisionView {
    let policies = decided.policies().iter().map(ToString::to_string).collect();
    let scopes = decided.scopes().filter(|scopes| !scopes.is_empty());
    DecisionView {
        decision: decided.decision.as_str().to_owned(),
        scope: scopes.map(ToString::to_string),
        policies,
        decision_id: decided.evidence.as_ref().map(|found| found.id.to_string()),
        request_id: request_id.to_owned(),
        mandate: decided.claims.map(|claims| DecidedMandateView {
            id: claims.jti.to_string(),
            application: claims.client_id.to_string(),
            session: claims.sid.to_string(),
            subject: claims.sub,
        }),
        receipt: decided.receipt.map(|receipt| receipt.to_string()),
        dpop_nonce: decided.nonce,
        reason: decided.refusal.as_ref().map(|r| r.code.as_str().to_owned()),
        approval_id: decided
            .refusal
            .as_ref()
            .and_then(|refusal| refusal.approval)
            .map(|id| id.to_string()),
        hint: decided.refusal.as_ref().and_then(|r| r.hint.clone()),
        detail: decided.refusal.map(|refusal| refusal.detail),
    }
}

//! Delegations between sessions of workloads.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use caracal_core::Receiver;
use caracal_engine::CreateDelegation;
use caracal_wire::{AcceptBody, DelegationBody, DelegationView};
use http::{Extensions, HeaderMap, Method};

use crate::answer::Refused;
use crate::json_request::{JsonRequest, id};
use crate::router::Sts;
use crate::sessions::authority_of;

pub(crate) async fn create(
    State(sts): State<Sts>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let parts = (extensions, headers, body);
    JsonRequest::answer(sts, parts, 201, async |request| {
        let body: DelegationBody = request.parse()?;
        let to = match (&body.to_session, &body.to_application) {
            (Some(session), None) => Receiver::Session(id("to_session", session)?),
            (None, Some(application)) => Receiver::Application(id("to_application", application)?),
            _ => {
                let why = "name one of `to_session` and `to_application`";
                return Err(Refused::invalid_request(why));
            }
        };
        let via = body.via.as_deref().map(|text| id("via", text));
        let wanted = CreateDelegation {
            from: id("from_session", &body.from_session)?,
            via: via.transpose()?,
            to,
            authority: authority_of(&body.authority)?,
            ttl_seconds: body.ttl_seconds,
            max_depth: body.max_depth,
            calls: body.budget.map(|budget| budget.calls),
            idempotency: request.idempotency(&Method::POST, "/v1/delegations")?,
            request_id: request.request_id.clone(),
        };
        let engine = request.engine();
        let delegation = engine
            .create_delegation(request.caller(), request.key(), wanted)
            .await?;
        Ok(DelegationView::of(&delegation))
    })
    .await
}

pub(crate) async fn get(
    State(sts): State<Sts>,
    Path(delegation): Path<String>,
    extensions: Extensions,
    headers: HeaderMap,
) -> Response {
    let parts = (extensions, headers, Body::empty());
    JsonRequest::answer(sts, parts, 200, async |request| {
        let delegation = id("id", &delegation)?;
        let engine = request.engine();
        let delegation = engine
            .get_delegation(request.caller(), request.key(), delegation)
            .await?;
        Ok(DelegationView::of(&delegation))
    })
    .await
}

pub(crate) async fn accept(
    State(sts): State<Sts>,
    Path(delegation): Path<String>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let parts = (extensions, headers, body);
    JsonRequest::answer(sts, parts, 200, async |request| {
        let delegation = id("id", &delegation)?;
        let body: AcceptBody = request.parse()?;
        let engine = request.engine();
        let delegation = engine
            .accept_delegation(
                request.caller(),
                request.key(),
                delegation,
                id("session_id", &body.session_id)?,
                &request.request_id,
            )
            .await?;
        Ok(DelegationView::of(&delegation))
    })
    .await
}

pub(crate) async fn end(
    State(sts): State<Sts>,
    Path(delegation): Path<String>,
    extensions: Extensions,
    headers: HeaderMap,
) -> Response {
    let parts = (extensions, headers, Body::empty());
    JsonRequest::answer(sts, parts, 200, async |request| {
        let delegation = id("id", &delegation)?;
        let engine = request.engine();
        let receipt = engine.end_delegation(
            request.caller(),
            request.key(),
            delegation,
            &request.request_id,
        );
        Ok(receipt.await?)
    })
    .await
}

//! Sessions of workloads.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use caracal_core::{Authority, Confirmation, SessionStatus};
use caracal_engine::{OpenSession, SessionAuthority};
use caracal_wire::{
    GrantBody, HeartbeatBody, SessionAuthorityView, SessionBody, SessionPathView, SessionView,
};
use http::{Extensions, HeaderMap, Method};

use crate::answer::Refused;
use crate::json_request::{JsonRequest, id};
use crate::router::Sts;

pub(crate) async fn open(
    State(sts): State<Sts>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let parts = (extensions, headers, body);
    JsonRequest::answer(sts, parts, 201, async |request| {
        let body: SessionBody = request.parse()?;
        let mut labels = std::collections::BTreeSet::new();
        for label in &body.labels {
            labels.insert(field("labels", label)?);
        }
        let parent_id = match &body.parent_id {
            Some(text) => Some(id("parent_id", text)?),
            None => None,
        };
        let authority = body.authority.as_deref().map(authority_of).transpose()?;
        let wanted = OpenSession {
            labels,
            ttl_seconds: body.ttl_seconds,
            heartbeat_seconds: body.heartbeat_seconds,
            parent_id,
            authority,
            subject_token: body.subject_token,
            cnf: body.cnf.map(|cnf| Confirmation { jkt: cnf.jkt }),
            calls: body.budget.map(|budget| budget.calls),
            idempotency: request.idempotency(&Method::POST, "/v1/sessions")?,
            request_id: request.request_id.clone(),
        };
        let engine = request.engine();
        let opened = engine
            .open_session(request.caller(), request.key(), wanted)
            .await?;
        let mut view = SessionView::of(opened.zone, &opened.session);
        if let Some(mandate) = opened.mandate {
            view.session_mandate = Some(mandate.text);
            view.session_mandate_expires_in = Some(mandate.expires_in);
        }
        Ok(view)
    })
    .await
}

pub(crate) async fn get(
    State(sts): State<Sts>,
    Path(session): Path<String>,
    extensions: Extensions,
    headers: HeaderMap,
) -> Response {
    let parts = (extensions, headers, Body::empty());
    JsonRequest::answer(sts, parts, 200, async |request| {
        let session = id("id", &session)?;
        let engine = request.engine();
        let (zone, session) = engine
            .get_session(request.caller(), request.key(), session)
            .await?;
        Ok(SessionView::of(zone, &session))
    })
    .await
}

pub(crate) async fn authority(
    State(sts): State<Sts>,
    Path(session): Path<String>,
    extensions: Extensions,
    headers: HeaderMap,
) -> Response {
    let parts = (extensions, headers, Body::empty());
    JsonRequest::answer(sts, parts, 200, async |request| {
        let session = id("id", &session)?;
        let engine = request.engine();
        let paths = engine
            .session_authority(request.caller(), request.key(), session)
            .await?;
        Ok(SessionAuthorityView {
            paths: paths.into_iter().map(path_view).collect(),
        })
    })
    .await
}

pub(crate) async fn beat(
    State(sts): State<Sts>,
    Path(session): Path<String>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let parts = (extensions, headers, body);
    JsonRequest::answer(sts, parts, 200, async |request| {
        let session = id("id", &session)?;
        let body: HeartbeatBody = request.parse()?;
        let engine = request.engine();
        let (zone, session) = engine
            .beat_session(
                request.caller(),
                request.key(),
                session,
                body.generation,
                &request.request_id,
            )
            .await?;
        Ok(SessionView::of(zone, &session))
    })
    .await
}

pub(crate) async fn suspend(
    sts: State<Sts>,
    session: Path<String>,
    extensions: Extensions,
    headers: HeaderMap,
) -> Response {
    set_status(
        sts,
        session,
        (extensions, headers),
        SessionStatus::Suspended,
    )
    .await
}

pub(crate) async fn resume(
    sts: State<Sts>,
    session: Path<String>,
    extensions: Extensions,
    headers: HeaderMap,
) -> Response {
    set_status(sts, session, (extensions, headers), SessionStatus::Active).await
}

async fn set_status(
    State(sts): State<Sts>,
    Path(session): Path<String>,
    (extensions, headers): (Extensions, HeaderMap),
    status: SessionStatus,
) -> Response {
    let parts = (extensions, headers, Body::empty());
    JsonRequest::answer(sts, parts, 200, async |request| {
        let session = id("id", &session)?;
        let engine = request.engine();
        let (zone, session) = engine
            .set_session_status(
                request.caller(),
                request.key(),
                session,
                status,
                &request.request_id,
            )
            .await?;
        Ok(SessionView::of(zone, &session))
    })
    .await
}

pub(crate) async fn close(
    State(sts): State<Sts>,
    Path(session): Path<String>,
    extensions: Extensions,
    headers: HeaderMap,
) -> Response {
    let parts = (extensions, headers, Body::empty());
    JsonRequest::answer(sts, parts, 204, async |request| {
        let session = id("id", &session)?;
        let engine = request.engine();
        engine
            .close_session(
                request.caller(),
                request.key(),
                session,
                &request.request_id,
            )
            .await?;
        Ok(())
    })
    .await
}

/// A value of a body, parsed.
pub(crate) fn field<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, Refused>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| Refused::invalid_request(format!("`{name}`: {error}")))
}

/// A slice of authority, parsed.
pub(crate) fn authority_of(grants: &[GrantBody]) -> Result<Authority, Refused> {
    GrantBody::parse(grants)
        .map_err(|error| Refused::invalid_request(format!("`authority`: {error}")))
}

fn path_view(path: SessionAuthority) -> SessionPathView {
    SessionPathView {
        delegation: path.delegation.map(|id| id.to_string()),
        sessions: path.sessions.iter().map(ToString::to_string).collect(),
        delegations: path.delegations.iter().map(ToString::to_string).collect(),
        authority: GrantBody::list(&path.authority),
    }
}

//! Sessions, as operators see and end them.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use caracal_core::{Anchor, Confirmation, SessionId, SessionStatus};
use caracal_engine::{AdminError, OpenSession, SessionFilter};
use caracal_wire::{
    BlastRadiusView, GrantBody, Page, SessionAuthorityView, SessionBody, SessionPathView,
    SessionView,
};
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer;
use crate::Api;
use crate::convert::Fields;
use crate::extract::{Filter, Reading, Writing, WritingBody, check_limit};
use crate::refusal::Refusal;

const KIND: &str = "session";

/// Which sessions, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListFilter {
    /// Those of an application, by name or id.
    #[serde(default)]
    application: Option<String>,
    /// `active` or `suspended`.
    #[serde(default)]
    status: Option<String>,
    /// Those that work for this user, `sub_…`.
    #[serde(default)]
    subject: Option<String>,
    /// The children of this session, `ses_…`.
    #[serde(default)]
    parent: Option<String>,
    /// How many, 1 to 1000. Default 100.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
}

impl ListFilter {
    fn wanted(&self) -> Result<SessionFilter, Refusal> {
        let status = match self.status.as_deref() {
            None => None,
            Some("active") => Some(SessionStatus::Active),
            Some("suspended") => Some(SessionStatus::Suspended),
            Some(_) => {
                return Err(Refusal::unreadable("status", "use `active` or `suspended`"));
            }
        };
        Ok(SessionFilter {
            application: self.application.clone(),
            status,
            subject: parsed("subject", self.subject.as_deref())?,
            parent: parsed("parent", self.parent.as_deref())?,
        })
    }
}

fn parsed<T>(field: &'static str, text: Option<&str>) -> Result<Option<T>, Refusal>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let read = text.map(str::parse).transpose();
    read.map_err(|error: T::Err| Refusal::unreadable(field, error.to_string()))
}

/// Lists the sessions of a zone that are alive, oldest first.
#[utoipa::path(get, path = "/v1/zones/{zone}/sessions", tag = "sessions",
    operation_id = "listSessions", params(ListFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<SessionView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Reading(admin): Reading,
    Filter(filter): Filter<ListFilter>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let after = answer::after_id(KIND, filter.cursor.as_deref())?;
    let wanted = filter.wanted()?;
    let listing =
        api.engine()
            .list_sessions(zone, &admin, &wanted, after, check_limit(filter.limit)?)?;
    let view = |held: caracal_engine::Versioned<_>| SessionView::of(zone, &held.value);
    Ok(answer::page_by_id(KIND, listing, view, |view| &view.id).into_response())
}

/// A session.
#[utoipa::path(get, path = "/v1/zones/{zone}/sessions/{session}", tag = "sessions",
    operation_id = "getSession", security(("operator" = ["viewer"])),
    responses((status = 200, body = SessionView)))]
pub(super) async fn get(
    State(api): State<Api>,
    Path((zone, session)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let held = api.engine().find_session(zone, &admin, id(&session)?)?;
    let view = SessionView::of(zone, &held.value);
    Ok(answer::object(held.version.0, view))
}

/// What a session may effectively do, by each of its paths; nothing while it is suspended.
#[utoipa::path(get, path = "/v1/zones/{zone}/sessions/{session}/authority", tag = "sessions",
    operation_id = "getSessionAuthority", security(("operator" = ["viewer"])),
    responses((status = 200, body = SessionAuthorityView)))]
pub(super) async fn authority(
    State(api): State<Api>,
    Path((zone, session)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Json<SessionAuthorityView>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let paths = api
        .engine()
        .session_paths(zone, &admin, id(&session)?)
        .await?;
    let paths = paths.into_iter().map(|path| SessionPathView {
        delegation: path.delegation.map(|id| id.to_string()),
        sessions: path.sessions.iter().map(ToString::to_string).collect(),
        delegations: path.delegations.iter().map(ToString::to_string).collect(),
        authority: GrantBody::list(&path.authority),
    });
    Ok(Json(SessionAuthorityView {
        paths: paths.collect(),
    }))
}

/// What would end with a session.
#[utoipa::path(get, path = "/v1/zones/{zone}/sessions/{session}/blast-radius", tag = "sessions",
    operation_id = "getBlastRadius", security(("operator" = ["viewer"])),
    responses((status = 200, body = BlastRadiusView)))]
pub(super) async fn blast_radius(
    State(api): State<Api>,
    Path((zone, session)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Json<BlastRadiusView>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let session = id(&session)?;
    api.engine().find_session(zone, &admin, session)?;
    let anchor = Anchor::Session(session);
    let radius = api.engine().blast_radius(zone, &admin, anchor).await?;
    Ok(Json(BlastRadiusView {
        sessions: radius.sessions.iter().map(ToString::to_string).collect(),
        delegations: radius.delegations.iter().map(ToString::to_string).collect(),
    }))
}

/// Opens a session in the name of an application. Its event names the operator.
#[utoipa::path(post, path = "/v1/zones/{zone}/applications/{application}/sessions",
    tag = "sessions", operation_id = "openSession", request_body = SessionBody,
    security(("operator" = ["admin"])), responses((status = 201, body = SessionView)))]
pub(super) async fn open(
    State(api): State<Api>,
    Path((zone, application)): Path<(String, String)>,
    WritingBody(admin, body): WritingBody<SessionBody>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let application = api.engine().get_application(zone, &admin, &application)?;
    if body.subject_token.is_some() {
        let why = "a Subject is attached by the workload that has its proof";
        return Err(Refusal::invalid("subject_token", why));
    }
    let mut fields = Fields::default();
    let labels: Vec<_> = body
        .labels
        .iter()
        .map(|l| fields.parse("labels", l))
        .collect();
    let parent = body.parent_id.as_deref();
    let parent = parent.map(|text| fields.parse::<SessionId>("parent_id", text));
    let authority = body.authority.as_deref().map(GrantBody::parse).transpose();
    let authority = authority.map_err(|why| Refusal::invalid("authority", why))?;
    let (labels, parent_id) = fields.finish(
        labels
            .into_iter()
            .collect::<Option<std::collections::BTreeSet<_>>>()
            .zip(match parent {
                Some(parent) => parent.map(Some),
                None => Some(None),
            }),
    )?;
    let wanted = OpenSession {
        labels,
        ttl_seconds: body.ttl_seconds,
        heartbeat_seconds: body.heartbeat_seconds,
        parent_id,
        authority,
        subject_token: None,
        cnf: body.cnf.map(|cnf| Confirmation { jkt: cnf.jkt }),
        calls: body.budget.map(|budget| budget.calls),
        idempotency: None,
        request_id: admin.request_id.clone(),
    };
    let opened = api
        .engine()
        .open_session_for(zone, &admin, application.value.id, wanted)
        .await?;
    let mut view = SessionView::of(zone, &opened.session);
    if let Some(mandate) = opened.mandate {
        view.session_mandate = Some(mandate.text);
        view.session_mandate_expires_in = Some(mandate.expires_in);
    }
    let place = format!("/v1/zones/{zone}/sessions/{}", view.id);
    Ok(answer::created(&admin, 1, &place, view))
}

/// Suspends a session: nothing is issued or called under it or below it, and what goes on is cut.
#[utoipa::path(post, path = "/v1/zones/{zone}/sessions/{session}/suspend", tag = "sessions",
    operation_id = "suspendSession", security(("operator" = ["admin"])),
    responses((status = 200, body = SessionView)))]
pub(super) async fn suspend(
    api: State<Api>,
    path: Path<(String, String)>,
    writing: Writing,
) -> Result<Json<SessionView>, Refusal> {
    set_status(api, path, writing, SessionStatus::Suspended).await
}

/// Resumes a suspended session.
#[utoipa::path(post, path = "/v1/zones/{zone}/sessions/{session}/resume", tag = "sessions",
    operation_id = "resumeSession", security(("operator" = ["admin"])),
    responses((status = 200, body = SessionView)))]
pub(super) async fn resume(
    api: State<Api>,
    path: Path<(String, String)>,
    writing: Writing,
) -> Result<Json<SessionView>, Refusal> {
    set_status(api, path, writing, SessionStatus::Active).await
}

async fn set_status(
    State(api): State<Api>,
    Path((zone, session)): Path<(String, String)>,
    Writing(admin): Writing,
    status: SessionStatus,
) -> Result<Json<SessionView>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let session = api
        .engine()
        .set_session_status_of(zone, &admin, id(&session)?, status)
        .await?;
    Ok(Json(SessionView::of(zone, &session)))
}

/// Closes a session; everything below it ends.
#[utoipa::path(delete, path = "/v1/zones/{zone}/sessions/{session}", tag = "sessions",
    operation_id = "closeSession", security(("operator" = ["admin"])),
    responses((status = 204)))]
pub(super) async fn close(
    State(api): State<Api>,
    Path((zone, session)): Path<(String, String)>,
    Writing(admin): Writing,
) -> Result<StatusCode, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    api.engine()
        .close_session_of(zone, &admin, id(&session)?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn id(text: &str) -> Result<SessionId, Refusal> {
    text.parse()
        .map_err(|_| AdminError::not_found("session", text).into())
}

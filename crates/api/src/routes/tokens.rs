//! API tokens, of a zone and of the whole instance.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use caracal_core::{ApiToken, ZoneId};
use caracal_engine::{Admin, Versioned};
use caracal_wire::{CreatedToken, Page, TokenBody, TokenView};
use http::StatusCode;

use super::answer;
use crate::convert::{Fields, token_view};
use crate::extract::{Filter, PageFilter, Reading, Writing, WritingBody};
use crate::refusal::Refusal;
use crate::{Api, cursor};

const KIND: &str = "token";

/// Lists the API tokens of a zone, by name.
#[utoipa::path(get, path = "/v1/zones/{zone}/tokens", tag = "tokens",
    operation_id = "listTokens", params(PageFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<TokenView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Reading(admin): Reading,
    Filter(filter): Filter<PageFilter>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    page(&api, &admin, Some(zone), &filter)
}

/// Makes an API token for a zone. The answer holds its only copy.
#[utoipa::path(post, path = "/v1/zones/{zone}/tokens", tag = "tokens",
    operation_id = "createToken", request_body = TokenBody,
    security(("operator" = ["owner"])), responses((status = 201, body = CreatedToken)))]
pub(super) async fn create(
    State(api): State<Api>,
    Path(zone): Path<String>,
    WritingBody(admin, body): WritingBody<TokenBody>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    make(&api, &admin, Some(zone), &body).await
}

/// Deletes an API token of a zone by id or name; it is refused from now on.
#[utoipa::path(delete, path = "/v1/zones/{zone}/tokens/{token}", tag = "tokens",
    operation_id = "deleteToken", security(("operator" = ["owner"])),
    responses((status = 204)))]
pub(super) async fn delete(
    State(api): State<Api>,
    Path((zone, token)): Path<(String, String)>,
    Writing(admin): Writing,
) -> Result<StatusCode, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    api.engine()
        .delete_token(&admin, Some(zone), &token)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the API tokens that are good for all zones, by name.
#[utoipa::path(get, path = "/v1/tokens", tag = "tokens", operation_id = "listInstanceTokens",
    params(PageFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<TokenView>)))]
pub(super) async fn list_instance(
    State(api): State<Api>,
    Reading(admin): Reading,
    Filter(filter): Filter<PageFilter>,
) -> Result<Response, Refusal> {
    page(&api, &admin, None, &filter)
}

/// Makes an API token for all zones. The answer holds its only copy.
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens", operation_id = "createInstanceToken",
    request_body = TokenBody, security(("operator" = ["owner"])),
    responses((status = 201, body = CreatedToken)))]
pub(super) async fn create_instance(
    State(api): State<Api>,
    WritingBody(admin, body): WritingBody<TokenBody>,
) -> Result<Response, Refusal> {
    make(&api, &admin, None, &body).await
}

/// Deletes an API token of all zones by id or name; it is refused from now on.
#[utoipa::path(delete, path = "/v1/tokens/{token}", tag = "tokens",
    operation_id = "deleteInstanceToken", security(("operator" = ["owner"])),
    responses((status = 204)))]
pub(super) async fn delete_instance(
    State(api): State<Api>,
    Path(token): Path<String>,
    Writing(admin): Writing,
) -> Result<StatusCode, Refusal> {
    api.engine().delete_token(&admin, None, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn page(
    api: &Api,
    admin: &Admin,
    zone: Option<ZoneId>,
    filter: &PageFilter,
) -> Result<Response, Refusal> {
    let (limit, after) = (
        filter.limit()?,
        cursor::read(KIND, filter.cursor.as_deref())?,
    );
    let tokens = api.engine().list_tokens(admin, zone)?;
    let key = |held: &Versioned<ApiToken>| held.value.name.to_string();
    let is_after = |held: &Versioned<ApiToken>, after: &str| held.value.name.as_str() > after;
    let view = |held: Versioned<ApiToken>| token_view(&held.value);
    Ok(answer::page_of_all(KIND, tokens, is_after, key, (limit, after), view).into_response())
}

async fn make(
    api: &Api,
    admin: &Admin,
    zone: Option<ZoneId>,
    body: &TokenBody,
) -> Result<Response, Refusal> {
    let mut fields = Fields::default();
    let name = fields.parse("name", &body.name);
    let role = fields.parse("role", &body.role);
    let (name, role) = fields.finish(name.zip(role))?;
    let ttl = body.ttl_seconds.unwrap_or(TokenBody::TTL_SECONDS);
    let created = api
        .engine()
        .create_token(admin, zone, name, role, ttl)
        .await?;
    let view = token_view(&created.token.value);
    let place = match zone {
        Some(zone) => format!("/v1/zones/{zone}/tokens/{}", view.id),
        None => format!("/v1/tokens/{}", view.id),
    };
    let token = created.text.unwrap_or_default();
    let version = created.token.version.0;
    Ok(answer::created(
        admin,
        version,
        &place,
        CreatedToken { view, token },
    ))
}

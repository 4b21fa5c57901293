//! Metadata, keys and the state of the door.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use caracal_core::AuthorizationDetail;
use caracal_engine::DPOP_ALGORITHMS;
use caracal_wire::ServerMetadata;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::answer::Refused;
use crate::client::JWT_BEARER;
use crate::router::Sts;
use crate::token::EXCHANGE;

/// How long verifiers may keep metadata and keys, in seconds. Keys are published well before
/// they sign.
const CACHE: &str = "public, max-age=60";

/// The zone in a path; what is no text names none.
type ZonePath = Result<Path<String>, PathRejection>;

pub(crate) async fn server(State(sts): State<Sts>, zone: ZonePath) -> Response {
    let found = zone
        .ok()
        .and_then(|Path(zone)| zone.parse().ok())
        .and_then(|zone| sts.engine.zone_metadata(zone));
    let Some(zone_metadata) = found else {
        return unknown_zone(&sts);
    };
    let url = &sts.config.public_url;
    let methods = vec![
        "client_secret_basic".to_owned(),
        "client_secret_post".to_owned(),
        "private_key_jwt".to_owned(),
    ];
    let algorithms = DPOP_ALGORITHMS.map(str::to_owned).to_vec();
    cached(Json(ServerMetadata {
        token_endpoint: format!("{url}/oauth/2/token"),
        revocation_endpoint: format!("{url}/oauth/2/revoke"),
        introspection_endpoint: format!("{url}/oauth/2/introspect"),
        jwks_uri: format!("{}/jwks.json", zone_metadata.issuer),
        issuer: zone_metadata.issuer,
        scopes_supported: zone_metadata.scopes,
        response_types_supported: Vec::new(),
        grant_types_supported: vec![
            "client_credentials".to_owned(),
            EXCHANGE.to_owned(),
            JWT_BEARER.to_owned(),
        ],
        token_endpoint_auth_methods_supported: methods.clone(),
        token_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
        revocation_endpoint_auth_methods_supported: methods.clone(),
        revocation_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
        introspection_endpoint_auth_methods_supported: methods,
        introspection_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
        dpop_signing_alg_values_supported: algorithms,
        authorization_details_types_supported: AuthorizationDetail::TYPES
            .map(str::to_owned)
            .to_vec(),
        caracal_revocations_endpoint: format!("{url}/v1/revocations/stream"),
        caracal_decide_endpoint: format!("{url}/v1/decide"),
        caracal_calls_endpoint: format!("{url}/v1/calls"),
        service_documentation: None,
    }))
}

pub(crate) async fn jwks(State(sts): State<Sts>, zone: ZonePath) -> Response {
    let found = zone
        .ok()
        .and_then(|Path(zone)| zone.parse().ok())
        .and_then(|zone| sts.engine.jwks(zone));
    found.map_or_else(|| unknown_zone(&sts), |keys| cached(Json(keys)))
}

#[derive(serde::Deserialize)]
pub(crate) struct ZoneQuery {
    zone_id: Option<String>,
}

pub(crate) async fn jwks_by_query(
    State(sts): State<Sts>,
    query: Result<Query<ZoneQuery>, QueryRejection>,
) -> Response {
    let zone = query.ok().and_then(|Query(query)| query.zone_id);
    jwks(State(sts), Ok(Path(zone.unwrap_or_default()))).await
}

pub(crate) async fn health() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

pub(crate) async fn ready(State(sts): State<Sts>) -> Response {
    if sts.engine.is_ready() {
        Json(json!({ "ready": true })).into_response()
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({ "ready": false })),
        )
            .into_response()
    }
}

fn cached(body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static(CACHE));
    response
}

fn unknown_zone(sts: &Sts) -> Response {
    let request_id = sts.engine.new_request_id();
    Refused::new(404, "not_found", "there is no zone with this id").answer(sts, &request_id)
}

//! The revocation endpoint (RFC 7009).

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Extensions, HeaderMap, StatusCode};

use crate::answer::{Refused, mark};
use crate::form::{Form, posted};
use crate::router::Sts;

pub(crate) async fn revoke(
    State(sts): State<Sts>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let request_id = sts.engine.new_request_id();
    match answer(&sts, &extensions, &headers, body, &request_id).await {
        Ok(()) => mark(StatusCode::OK.into_response(), &request_id),
        Err(refused) => refused.answer(&sts, &request_id),
    }
}

async fn answer(
    sts: &Sts,
    extensions: &Extensions,
    headers: &HeaderMap,
    body: Body,
    request_id: &str,
) -> Result<(), Refused> {
    let mut form = Form::parse(headers, &posted(body).await?)?;
    let admitted = sts.admit(extensions, headers, &mut form).await?;
    let (client, key) = (&admitted.credentials, admitted.key.as_deref());
    let mandate = form
        .find("token")
        .ok_or_else(|| Refused::invalid_request("`token` is required"))?;
    let revoked = sts.engine.revoke_own(client, key, mandate, request_id);
    Ok(revoked.await?)
}

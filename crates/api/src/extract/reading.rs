//! The frame of a read.

use axum::extract::FromRequestParts;
use caracal_engine::{Admin, Operator};
use http::StatusCode;
use http::request::Parts;

use crate::Api;
use crate::refusal::Refusal;
use crate::request_id::RequestId;

/// A read by an authenticated operator.
pub(crate) struct Reading(pub(crate) Admin);

impl FromRequestParts<Api> for Reading {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Refusal> {
        admin(parts).map(Self)
    }
}

/// The operator that the authenticating layer found. Without that layer there is none, and
/// the request is refused.
pub(crate) fn admin(parts: &Parts) -> Result<Admin, Refusal> {
    let operator = parts.extensions.get::<Operator>();
    let id = parts.extensions.get::<RequestId>();
    let (Some(operator), Some(RequestId(id))) = (operator, id) else {
        let detail = "nobody was authenticated";
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            detail,
        ));
    };
    Ok(Admin::new(operator.clone(), id.to_string()))
}

//! The introspection endpoint (RFC 7662).

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Extensions, HeaderMap};
use serde_json::{Value, json};

use crate::answer::{Refused, json as answer_json};
use crate::form::{Form, posted};
use crate::router::Sts;
use crate::token::token_type;

pub(crate) async fn introspect(
    State(sts): State<Sts>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let request_id = sts.engine.new_request_id();
    match answer(&sts, &extensions, &headers, body).await {
        Ok(answer) => answer_json(&answer, &request_id),
        Err(refused) => refused.answer(&sts, &request_id),
    }
}

async fn answer(
    sts: &Sts,
    extensions: &Extensions,
    headers: &HeaderMap,
    body: Body,
) -> Result<Value, Refused> {
    let mut form = Form::parse(headers, &posted(body).await?)?;
    let admitted = sts.admit(extensions, headers, &mut form).await?;
    let (client, key) = (&admitted.credentials, admitted.key.as_deref());
    let mandate = form
        .find("token")
        .ok_or_else(|| Refused::invalid_request("`token` is required"))?;
    let Some(claims) = sts.engine.introspect(client, key, mandate).await? else {
        return Ok(json!({ "active": false }));
    };
    let mut answer = serde_json::to_value(&claims).map_err(|_| {
        Refused::new(
            503,
            "temporarily_unavailable",
            "the claims cannot be written",
        )
    })?;
    if let Value::Object(members) = &mut answer {
        members.insert("active".to_owned(), Value::Bool(true));
        members.insert(
            "token_type".to_owned(),
            Value::from(token_type(claims.cnf.is_some())),
        );
    }
    Ok(answer)
}

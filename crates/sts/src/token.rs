//! The token endpoint.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use caracal_engine::IssueRequest;
use caracal_wire::MandateAnswer;
use http::{Extensions, HeaderMap};
use metrics::{Counter, Histogram};

use crate::answer::{Refused, json};
use crate::form::{Form, posted};
use crate::router::Sts;

const ISSUED_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Parameters of grants that this release does not have. Ignoring one would issue another
/// mandate than the one that was asked for.
const UNSUPPORTED: [(&str, u16, &str); 7] = [
    ("session_id", 400, "invalid_grant"),
    ("delegation_id", 400, "invalid_grant"),
    ("approval_id", 400, "invalid_grant"),
    ("subject_token", 400, "invalid_grant"),
    ("actor_token", 400, "invalid_grant"),
    (
        "authorization_details",
        400,
        "invalid_authorization_details",
    ),
    ("audience", 400, "invalid_target"),
];

pub(crate) async fn issue(
    State(sts): State<Sts>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let request_id = sts.engine.new_request_id();
    let received = Instant::now();
    let answered = answer(&sts, &extensions, &headers, body, &request_id).await;
    let outcome = answered
        .as_ref()
        .map_or_else(|refused| refused.code, |_| "issued");
    minted(outcome, received.elapsed());
    match answered {
        Ok(answer) => json(&answer, &request_id),
        Err(refused) => refused.answer(&sts, &request_id),
    }
}

async fn answer(
    sts: &Sts,
    extensions: &Extensions,
    headers: &HeaderMap,
    body: Body,
    request_id: &str,
) -> Result<MandateAnswer, Refused> {
    let mut form = Form::parse(headers, &posted(body).await?)?;
    match form.find("grant_type") {
        Some("client_credentials") => {}
        Some(_) => {
            let why = "this server issues mandates for `client_credentials`";
            return Err(Refused::new(400, "unsupported_grant_type", why));
        }
        None => return Err(Refused::invalid_request("`grant_type` is required")),
    }
    if headers.contains_key("dpop") {
        let why = "sender-constrained mandates are not available yet: leave the `DPoP` header out";
        return Err(Refused::new(400, "invalid_dpop_proof", why));
    }
    for (name, status, code) in UNSUPPORTED {
        if form.find(name).is_some() {
            let why = format!("`{name}` is not available yet");
            return Err(Refused::new(status, code, why));
        }
    }
    let admitted = sts.admit(extensions, headers, &mut form).await?;
    let request = IssueRequest {
        client: admitted.credentials,
        resources: form.list("resource"),
        scope: form.find("scope").map(str::to_owned),
        ttl_seconds: ttl(&form)?,
        request_id: request_id.to_owned(),
    };
    let issued = sts.engine.issue(request).await?;
    Ok(MandateAnswer {
        access_token: issued.text,
        token_type: "Bearer".to_owned(),
        expires_in: issued.expires_in,
        scope: issued.scope.to_string(),
        issued_token_type: ISSUED_TYPE.to_owned(),
    })
}

/// Counts a mint, issued or refused, and the time that it took.
fn minted(outcome: &'static str, took: Duration) {
    static ISSUED: OnceLock<(Counter, Histogram)> = OnceLock::new();
    let (issued, seconds) = ISSUED.get_or_init(|| {
        (
            metrics::counter!("caracal_sts_mints_total", "outcome" => "issued"),
            metrics::histogram!("caracal_sts_mint_seconds"),
        )
    });
    seconds.record(took);
    if outcome == "issued" {
        issued.increment(1);
    } else {
        metrics::counter!("caracal_sts_mints_total", "outcome" => outcome).increment(1);
    }
}

fn ttl(form: &Form) -> Result<Option<u32>, Refused> {
    let Some(text) = form.find("ttl_seconds") else {
        return Ok(None);
    };
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    // A number too large for us is still only a wish for a long life, which is shortened.
    let seconds = if digits {
        Some(text.parse().unwrap_or(u32::MAX))
    } else {
        None
    };
    match seconds {
        Some(seconds) if seconds > 0 => Ok(Some(seconds)),
        _ => Err(Refused::invalid_request(
            "`ttl_seconds` is not a number of at least 1",
        )),
    }
}

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
use crate::client::{JWT_BEARER, authenticates};
use crate::form::{Form, posted};
use crate::router::Sts;

const ISSUED_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT_TYPE: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_TYPE: &str = "urn:ietf:params:oauth:token-type:id_token";

/// The grant that exchanges a mandate for a narrower one (RFC 8693).
pub(crate) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// Parameters of grants that this release does not have. Ignoring one would issue another
/// mandate than the one that was asked for.
const UNSUPPORTED: [(&str, u16, &str); 2] = [
    ("actor_token", 400, "invalid_grant"),
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
    let shown = shown(sts, &form, authenticates(headers, &form))?;
    for (name, status, code) in UNSUPPORTED {
        if form.find(name).is_some() {
            let why = format!("`{name}` is not available yet");
            return Err(Refused::new(status, code, why));
        }
    }
    let admitted = sts.admit(extensions, headers, &mut form).await?;
    let request = IssueRequest {
        key: admitted.key,
        session_id: id(&form, "session_id")?,
        delegation_id: id(&form, "delegation_id")?,
        approval_id: id(&form, "approval_id")?,
        subject_token: shown.mandate,
        id_token: shown.id_token,
        resources: form.list("resource"),
        scope: form.find("scope").map(str::to_owned),
        authorization_details: form.find("authorization_details").map(str::to_owned),
        ttl_seconds: ttl(&form)?,
        ..IssueRequest::new(admitted.credentials, request_id)
    };
    let is_bound = request.key.is_some();
    let issued = sts.engine.issue(request).await?;
    Ok(MandateAnswer {
        access_token: issued.text,
        token_type: token_type(is_bound).to_owned(),
        expires_in: issued.expires_in,
        scope: issued.scope.to_string(),
        authorization_details: issued.details,
        issued_token_type: ISSUED_TYPE.to_owned(),
    })
}

/// What a request shows of others.
#[derive(Default)]
struct Shown {
    /// The mandate that is exchanged.
    mandate: Option<String>,
    /// The ID token of the person that it is for.
    id_token: Option<String>,
}

/// What a request shows besides its client. `is_authenticated`: something else says who that is.
fn shown(sts: &Sts, form: &Form, is_authenticated: bool) -> Result<Shown, Refused> {
    let token = form.find("subject_token");
    let grant = form.find("grant_type");
    if token.is_some() && matches!(grant, Some("client_credentials" | JWT_BEARER)) {
        let why = format!("`subject_token` belongs to the grant `{EXCHANGE}`");
        return Err(Refused::invalid_request(why));
    }
    match (grant, token) {
        (Some("client_credentials"), _) => Ok(Shown::default()),
        // Without a client beside it, the assertion is the client's own.
        (Some(JWT_BEARER), _) if !is_authenticated => Ok(Shown::default()),
        (Some(JWT_BEARER), _) => match form.find("assertion") {
            Some(token) => Ok(Shown::of_person(token)),
            None => Err(Refused::invalid_request("`assertion` is required")),
        },
        (Some(EXCHANGE), Some(token)) => exchanged(sts, form, token),
        (Some(EXCHANGE), None) => Err(Refused::invalid_request("`subject_token` is required")),
        (Some(_), _) => {
            let why = format!(
                "this server issues mandates for `client_credentials`, `{EXCHANGE}` and `{JWT_BEARER}`"
            );
            Err(Refused::new(400, "unsupported_grant_type", why))
        }
        (None, _) => Err(Refused::invalid_request("`grant_type` is required")),
    }
}

fn exchanged(sts: &Sts, form: &Form, token: &str) -> Result<Shown, Refused> {
    let shown = match form.find("subject_token_type") {
        Some(ISSUED_TYPE) => Shown::of_mandate(token),
        Some(ID_TYPE) => Shown::of_person(token),
        // Both are JWTs; which it is says who made it.
        Some(JWT_TYPE) => {
            let zones = format!("{}/zones/", sts.config.public_url);
            match caracal_engine::find_issuer(token) {
                Some(issuer) if !issuer.starts_with(&zones) => Shown::of_person(token),
                _ => Shown::of_mandate(token),
            }
        }
        Some(_) => {
            let why = format!("`subject_token_type` is `{ISSUED_TYPE}` or `{ID_TYPE}`");
            return Err(Refused::invalid_request(why));
        }
        None => return Err(Refused::invalid_request("`subject_token_type` is required")),
    };
    match form.find("requested_token_type") {
        None | Some(ISSUED_TYPE | JWT_TYPE) => Ok(shown),
        Some(_) => {
            let why = format!("`requested_token_type` can only be `{ISSUED_TYPE}`");
            Err(Refused::invalid_request(why))
        }
    }
}

impl Shown {
    fn of_mandate(text: &str) -> Self {
        Self {
            mandate: Some(text.to_owned()),
            id_token: None,
        }
    }

    fn of_person(text: &str) -> Self {
        Self {
            mandate: None,
            id_token: Some(text.to_owned()),
        }
    }
}

/// An id among the parameters. What is none cannot be the caller's.
fn id<T: std::str::FromStr>(form: &Form, name: &str) -> Result<Option<T>, Refused>
where
    T::Err: std::fmt::Display,
{
    let parsed = form.find(name).map(str::parse).transpose();
    parsed.map_err(|error: T::Err| Refused::new(400, "invalid_grant", format!("`{name}`: {error}")))
}

/// How a mandate is presented.
pub(crate) const fn token_type(is_bound: bool) -> &'static str {
    if is_bound { "DPoP" } else { "Bearer" }
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

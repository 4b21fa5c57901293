//! The frame of a write: its conditions, its key, and its body.

use axum::extract::{FromRequest, Request};
use caracal_engine::{Admin, Idempotency};
use http::header::IF_MATCH;
use http::request::Parts;
use http::{HeaderName, Method};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{body, filter, reading};
use crate::Api;
use crate::refusal::Refusal;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A write without a body.
pub(crate) struct Writing(pub(crate) Admin);

/// A write with a JSON body.
pub(crate) struct WritingBody<T>(pub(crate) Admin, pub(crate) T);

/// A write whose JSON body may be left out.
pub(crate) struct WritingOptional<T>(pub(crate) Admin, pub(crate) T);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WriteQuery {
    #[serde(default)]
    dry_run: bool,
}

impl FromRequest<Api> for Writing {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &Api) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let mut admin = conditions(&parts)?;
        let bytes = body::read(&parts.headers, body).await?;
        if !bytes.iter().all(u8::is_ascii_whitespace) {
            let detail = "this request takes no body";
            return Err(Refusal::bad_request("body_unexpected", detail));
        }
        admin.idempotency = idempotency(&parts, b"")?;
        Ok(Self(admin))
    }
}

impl<T: DeserializeOwned> FromRequest<Api> for WritingBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &Api) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let mut admin = conditions(&parts)?;
        body::check_media_type(&parts.headers)?;
        let bytes = body::read(&parts.headers, body).await?;
        let value = body::parse(&bytes)?;
        admin.idempotency = idempotency(&parts, &bytes)?;
        Ok(Self(admin, value))
    }
}

impl<T: DeserializeOwned + Default> FromRequest<Api> for WritingOptional<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &Api) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let mut admin = conditions(&parts)?;
        let bytes = body::read(&parts.headers, body).await?;
        let value = if bytes.is_empty() {
            T::default()
        } else {
            body::check_media_type(&parts.headers)?;
            body::parse(&bytes)?
        };
        admin.idempotency = idempotency(&parts, &bytes)?;
        Ok(Self(admin, value))
    }
}

fn conditions(parts: &Parts) -> Result<Admin, Refusal> {
    let mut admin = reading::admin(parts)?;
    let query: WriteQuery = filter::parse(parts)?;
    admin.dry_run = query.dry_run;
    admin.if_match = if_match(parts)?;
    Ok(admin)
}

/// `If-Match: "N"`, on what has a version.
fn if_match(parts: &Parts) -> Result<Option<u64>, Refusal> {
    let mut given = parts.headers.get_all(IF_MATCH).iter();
    let (first, more) = (given.next(), given.next());
    let Some(first) = first else { return Ok(None) };
    let has_version = parts.method == Method::PUT
        || parts.method == Method::DELETE
        || parts.uri.path().ends_with("/activate")
        || parts.uri.path().ends_with("/secrets");
    if !has_version {
        let detail = "this request changes nothing that has a version";
        return Err(
            Refusal::bad_request("if_match_unsupported", detail).hint("leave `If-Match` out")
        );
    }
    let text = first.to_str().unwrap_or_default().trim();
    let version = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok());
    match (version, more, text) {
        (Some(version), None, _) => Ok(Some(version)),
        // Any version: the object must only exist, which every such request demands.
        (None, None, "*") => Ok(None),
        _ => Err(Refusal::unreadable(
            "If-Match",
            "use one strong tag such as `\"3\"`",
        )),
    }
}

/// A repeated request is the same when method, target and body are.
fn idempotency(parts: &Parts, body: &[u8]) -> Result<Option<Idempotency>, Refusal> {
    let mut given = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
    let (first, more) = (given.next(), given.next());
    let Some(first) = first else { return Ok(None) };
    let visible = |b: &u8| (0x21..=0x7e).contains(b);
    let bytes = first.as_bytes();
    if more.is_some() || !(1..=128).contains(&bytes.len()) || !bytes.iter().all(visible) {
        let why = "use one key of 1 to 128 visible ASCII characters";
        return Err(Refusal::unreadable("Idempotency-Key", why));
    }
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let mut input = format!("{} {target}\n", parts.method).into_bytes();
    input.extend_from_slice(body);
    Ok(Some(Idempotency {
        key: String::from_utf8_lossy(bytes).into_owned(),
        input,
    }))
}

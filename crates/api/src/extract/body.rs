//! Reading bodies: bounded, of the right media type, and without fields that nobody knows.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::refusal::Refusal;

/// The largest body that is read: 8 MiB.
pub(crate) const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// The whole body.
///
/// # Errors
/// 413 when it is too large, 400 when it breaks off.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let too_large = || {
        let detail = format!("the body has more than {MAX_BODY_BYTES} bytes");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    };
    let announced = headers.get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(too_large()),
        Err(_) => Err(Refusal::bad_request(
            "body_incomplete",
            "the body breaks off",
        )),
    }
}

/// Only `application/json` is read: no page can send it to another site without being asked.
pub(crate) fn check_media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = given.and_then(|text| text.split(';').next()).map(str::trim);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Err(
        Refusal::new(status, "media_type_unsupported", "the body must be JSON")
            .hint("send `Content-Type: application/json`"),
    )
}

/// The value of a JSON text.
///
/// # Errors
/// 400 with line and column for what is no JSON; 422 with the field for what is not the
/// expected shape.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let field = error.path().to_string();
        refuse(&field, error.inner())
    })?;
    reader.end().map_err(|error| refuse(".", &error))?;
    Ok(value)
}

fn refuse(field: &str, error: &serde_json::Error) -> Refusal {
    match error.classify() {
        Category::Data => {
            let place = format!(" at line {} column {}", error.line(), error.column());
            let text = error.to_string();
            let message = text.strip_suffix(&place).unwrap_or(&text);
            Refusal::invalid(if field == "." { "(body)" } else { field }, message)
        }
        Category::Syntax | Category::Eof | Category::Io => {
            Refusal::bad_request("json_malformed", format!("the body is not JSON: {error}"))
        }
    }
}

//! The Gateway's own pages.

use bytes::Bytes;
use caracal_core::{Name, RequestPath, ZoneId};
use caracal_engine::{Engine, METRICS_MEDIA_TYPE, MetricsReader, Selector};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use serde_json::{Value, json};

use crate::answer_body::AnswerBody;
use crate::refused::{REQUEST_ID, Refused};

const METADATA: &str = "/.well-known/oauth-protected-resource";

/// The answer, when the path is one of the Gateway's own. Everything below `/.caracal` is.
pub(crate) fn find_own<'r>(
    engine: &Engine,
    public_url: &str,
    method: &Method,
    path: &RequestPath,
    request_id: &str,
    reader: impl FnOnce() -> MetricsReader<'r>,
) -> Option<Result<Response<AnswerBody>, Refused>> {
    let mut segments = path.segments();
    let first = segments.next()?;
    let (status, body) = if first == ".caracal" {
        match (segments.next(), segments.next()) {
            (Some("health"), None) => (StatusCode::OK, json!({ "status": "ok" })),
            (Some("ready"), None) => {
                let ready = engine.is_ready();
                let status = if ready {
                    StatusCode::OK
                } else {
                    StatusCode::SERVICE_UNAVAILABLE
                };
                (status, json!({ "ready": ready }))
            }
            (Some("metrics"), None) => {
                let page = || metrics_page(engine, reader(), request_id);
                return Some(only_read(method).and_then(|()| page()));
            }
            _ => return Some(Err(Refused::not_found())),
        }
    } else if first == ".well-known" {
        (StatusCode::OK, resource_metadata(engine, public_url, path)?)
    } else {
        return None;
    };
    Some(only_read(method).map(|()| page(status, &body, request_id)))
}

fn only_read(method: &Method) -> Result<(), Refused> {
    if method == Method::GET || method == Method::HEAD {
        Ok(())
    } else {
        Err(Refused::method_not_allowed())
    }
}

/// Who asks for the metrics.
pub(crate) fn reader<'r>(
    on_this_machine: bool,
    uri: &'r Uri,
    headers: &'r HeaderMap,
) -> MetricsReader<'r> {
    MetricsReader::of(
        on_this_machine,
        uri.authority().map(Authority::as_str),
        |name| {
            let value = headers.get(name)?;
            Some(value.to_str().unwrap_or(""))
        },
    )
}

fn metrics_page(
    engine: &Engine,
    reader: MetricsReader<'_>,
    request_id: &str,
) -> Result<Response<AnswerBody>, Refused> {
    let text = engine.metrics_page(reader).map_err(Refused::metrics)?;
    let media_type = HeaderValue::from_static(METRICS_MEDIA_TYPE);
    Ok(whole(
        StatusCode::OK,
        Bytes::from(text),
        media_type,
        request_id,
    ))
}

/// The URL of a resource's metadata (RFC 9728), for challenges. It exists only for paths that
/// name zone and resource.
pub(crate) fn metadata_url(public_url: &str, selector: &Selector) -> Option<String> {
    let zone: ZoneId = selector.zone.as_deref()?.parse().ok()?;
    let name: Name = selector.name.as_deref()?.parse().ok()?;
    Some(format!("{public_url}{METADATA}/zones/{zone}/r/{name}"))
}

/// The metadata of the resource that the path names. Whether the resource exists is not told:
/// nobody has been asked who they are.
fn resource_metadata(engine: &Engine, public_url: &str, path: &RequestPath) -> Option<Value> {
    let segments: Vec<_> = path.segments().take(7).collect();
    let [_, "oauth-protected-resource", "zones", zone, "r", name] = segments.as_slice() else {
        return None;
    };
    let (zone, name): (ZoneId, Name) = (zone.parse().ok()?, name.parse().ok()?);
    let issuer = engine.zone_metadata(zone)?.issuer;
    Some(json!({
        "resource": format!("{public_url}/zones/{zone}/r/{name}"),
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
    }))
}

fn page(status: StatusCode, body: &Value, request_id: &str) -> Response<AnswerBody> {
    let media_type = HeaderValue::from_static("application/json");
    whole(
        status,
        Bytes::from(body.to_string()),
        media_type,
        request_id,
    )
}

fn whole(
    status: StatusCode,
    body: Bytes,
    media_type: HeaderValue,
    request_id: &str,
) -> Response<AnswerBody> {
    let mut answer = Response::new(AnswerBody::whole(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_point_only_to_well_formed_names() {
        let zone = "zone_018bcfe5-6800-7000-8000-000000000000";
        let url = |zone: Option<&str>, name: Option<&str>| {
            let selector = Selector {
                zone: zone.map(str::to_owned),
                name: name.map(str::to_owned),
                header: None,
            };
            metadata_url("https://g", &selector)
        };
        let expected =
            format!("https://g/.well-known/oauth-protected-resource/zones/{zone}/r/openai");
        assert_eq!(url(Some(zone), Some("openai")), Some(expected));
        assert_eq!(url(None, Some("openai")), None);
        assert_eq!(url(Some(zone), None), None);
        assert_eq!(url(Some(zone), Some("a\"b")), None);
        assert_eq!(url(Some("demo"), Some("openai")), None);
    }
}

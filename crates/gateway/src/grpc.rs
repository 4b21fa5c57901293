//! What gRPC wants said in its own words.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

pub(crate) const MEDIA_TYPE: &str = "application/grpc";
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// What a message must not hold as it is: all but printable ASCII, and the percent sign.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// True for a message of gRPC, which is spoken over HTTP/2 only.
pub(crate) fn is_grpc(version: Version, headers: &HeaderMap) -> bool {
    version == Version::HTTP_2
        && headers.get(CONTENT_TYPE).is_some_and(|value| {
            let value = value.as_bytes();
            value
                .strip_prefix(MEDIA_TYPE.as_bytes())
                .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
        })
}

/// The status of gRPC for a refusal with this status of HTTP.
pub(crate) fn code_of(status: u16) -> u8 {
    match status {
        400 | 417 => 3,       // INVALID_ARGUMENT
        401 => 16,            // UNAUTHENTICATED
        403 => 7,             // PERMISSION_DENIED
        404 => 5,             // NOT_FOUND
        405 | 501 => 12,      // UNIMPLEMENTED
        408 | 504 => 4,       // DEADLINE_EXCEEDED
        413 | 429 | 431 => 8, // RESOURCE_EXHAUSTED
        502 | 503 => 14,      // UNAVAILABLE
        _ => 2,               // UNKNOWN
    }
}

/// Adds the end of a call.
pub(crate) fn add_end(headers: &mut HeaderMap, code: u8, message: &str) {
    headers.insert(STATUS, HeaderValue::from(u16::from(code)));
    let message = utf8_percent_encode(message, ESCAPED).to_string();
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert(MESSAGE, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_known_by_its_type_and_version() {
        let is = |version, value: &'static str| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
            is_grpc(version, &headers)
        };
        assert!(is(Version::HTTP_2, "application/grpc"));
        assert!(is(Version::HTTP_2, "application/grpc+proto"));
        assert!(!is(Version::HTTP_2, "application/grpc-web"));
        assert!(!is(Version::HTTP_2, "application/json"));
        assert!(!is(Version::HTTP_11, "application/grpc"));
    }

    #[test]
    fn messages_fit_into_a_header() {
        let mut headers = HeaderMap::new();
        add_end(&mut headers, 16, "100 % of\n`é` is gone");
        assert_eq!(headers["grpc-status"], "16");
        assert_eq!(headers["grpc-message"], "100 %25 of%0A`%C3%A9` is gone");
    }
}

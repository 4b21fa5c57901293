//! Calls that a person has to approve: their body is read whole, so that what was approved is what
//! is sent.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use caracal_core::RefusalCode;
use http::HeaderMap;
use http::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_RANGE, CONTENT_TYPE, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::connection::ConnectionState;
use crate::refused::Refused;

/// The largest body of a call that is held, in bytes; a resource may have a smaller limit.
pub(crate) const MAX_HELD_BODY: u64 = 1024 * 1024;
/// How many such bodies are in memory at a time.
const MAX_HELD_BODIES: usize = 64;
/// How long such a body may take to come.
const HELD_BODY_TIME: Duration = Duration::from_secs(30);

/// The headers that an approval covers: they say what the body is, or change what the request
/// does. The others may differ when the request is sent again.
const COVERED: [http::HeaderName; 11] = [
    ACCEPT,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_RANGE,
    CONTENT_TYPE,
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_RANGE,
    IF_UNMODIFIED_SINCE,
    RANGE,
];
/// The same without names in the library.
const COVERED_TEXTS: [&str; 10] = [
    "content-disposition",
    "depth",
    "destination",
    "idempotency-key",
    "overwrite",
    "prefer",
    "soapaction",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// The headers of a request that an approval covers, in the order of their names.
pub(crate) fn covered(headers: &HeaderMap) -> Vec<(String, String)> {
    let names = COVERED.iter().map(http::HeaderName::as_str);
    let mut names: Vec<&str> = names.chain(COVERED_TEXTS).collect();
    names.sort_unstable();
    let mut found = Vec::new();
    for name in names {
        for value in headers.get_all(name) {
            // What is no ASCII is written out, so that no two values look alike.
            let value = value.as_bytes().escape_ascii().to_string();
            found.push((name.to_owned(), value));
        }
    }
    found
}

/// Room for the bodies of held calls.
#[derive(Clone)]
pub(crate) struct HeldBodies(Arc<Semaphore>);

impl HeldBodies {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_HELD_BODIES)))
    }

    /// Reads a whole body.
    ///
    /// # Errors
    /// `body_too_large` over the limit, `overloaded` when there is no room.
    pub(crate) async fn read(
        &self,
        incoming: Option<Incoming>,
        limit: u64,
        connection: &ConnectionState,
    ) -> Result<HeldBody, Refused> {
        let limit = limit.min(MAX_HELD_BODY);
        let Some(mut incoming) = incoming else {
            return Ok(HeldBody {
                bytes: Bytes::new(),
                _room: None,
            });
        };
        let room = Arc::clone(&self.0).try_acquire_owned().map_err(|_| {
            let why = "too many calls are read for an approval at the moment";
            Refused::code(RefusalCode::Overloaded, why).retry_after(1)
        })?;
        if incoming.size_hint().lower() > limit {
            return Err(too_large(limit));
        }
        let reading = async {
            let mut bytes = BytesMut::new();
            while let Some(frame) = incoming.frame().await {
                let frame =
                    frame.map_err(|_| Refused::malformed("the body of the request broke off"))?;
                // Trailers are no part of what is approved, so they are not sent.
                let Some(data) = frame.data_ref() else {
                    continue;
                };
                if (bytes.len() as u64).saturating_add(data.len() as u64) > limit {
                    return Err(too_large(limit));
                }
                bytes.extend_from_slice(data);
            }
            Ok(bytes.freeze())
        };
        let bytes = tokio::time::timeout(HELD_BODY_TIME, reading)
            .await
            .map_err(|_| Refused::slow_body())??;
        connection.body_read();
        Ok(HeldBody {
            bytes,
            _room: Some(room),
        })
    }
}

/// A body that was read whole.
pub(crate) struct HeldBody {
    pub(crate) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

fn too_large(limit: u64) -> Refused {
    let why = format!("the call needs an approval, and its body is larger than {limit} bytes");
    Refused::code(RefusalCode::BodyTooLarge, why)
        .hint("what a person approves is read whole; send less, or change the policy that asks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covered_headers_come_in_order_whatever_they_were_sent_in() {
        let mut headers = HeaderMap::new();
        headers.insert("x-http-method-override", "DELETE".parse().unwrap());
        headers.insert("user-agent", "x".parse().unwrap());
        headers.insert("content-type", "a/b".parse().unwrap());
        let found = covered(&headers);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["content-type", "x-http-method-override"]);
    }

    #[test]
    fn values_that_differ_in_a_byte_differ() {
        let of = |bytes: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", http::HeaderValue::from_bytes(bytes).unwrap());
            covered(&headers)
        };
        assert_ne!(of(b"a\xff"), of(b"a\xfe"));
    }
}

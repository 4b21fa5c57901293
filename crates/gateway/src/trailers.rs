//! What may come after a body: only over HTTP/2 on both sides, and only what cannot change how
//! anything before it was understood.

use caracal_core::MandateSlot;
use http::HeaderMap;

use crate::hygiene::{clean_answer, clean_request, is_same, remove};

/// The most that may come after a body.
const MAX_FIELDS: usize = 100;
const MAX_BYTES: usize = 16 * 1024;

/// Fields that frame, route, authenticate, cache or change a message (RFC 9110, 6.5.1), and
/// would come too late to be looked at.
const NEVER: &[&str] = &[
    "age",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "cookie2",
    "date",
    "expires",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "refresh",
    "retry-after",
    "set-cookie",
    "set-cookie2",
    "vary",
    "warning",
    "www-authenticate",
];

/// What a client must not say after its body either.
pub(crate) struct UploadTrailers {
    /// The names of the headers that the provider fills.
    pub(crate) provider_slots: Vec<String>,
    /// Where clients put the mandate.
    pub(crate) mandate_slots: Vec<MandateSlot>,
}

impl UploadTrailers {
    /// What of a client's trailers may go upstream; none when they are too large.
    pub(crate) fn clean(&self, mut trailers: HeaderMap) -> Option<HeaderMap> {
        clean_request(
            &mut trailers,
            &self.provider_slots,
            &self.mandate_slots,
            false,
        );
        bounded(trailers)
    }
}

/// What of an upstream's trailers may go to the client; none when they are too large.
pub(crate) fn clean_answer_trailers(mut trailers: HeaderMap) -> Option<HeaderMap> {
    clean_answer(&mut trailers, false);
    bounded(trailers)
}

fn bounded(mut trailers: HeaderMap) -> Option<HeaderMap> {
    let bytes: usize = trailers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if trailers.len() > MAX_FIELDS || bytes > MAX_BYTES {
        return None;
    }
    remove(&mut trailers, |name| {
        NEVER.iter().any(|never| is_same(name, never))
    });
    Some(trailers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(names: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for name in names {
            let name: http::HeaderName = name.parse().unwrap();
            map.append(name, "1".parse().unwrap());
        }
        map
    }

    fn names(map: Option<HeaderMap>) -> Option<Vec<String>> {
        map.map(|map| map.keys().map(ToString::to_string).collect())
    }

    #[test]
    fn only_what_changes_nothing_passes() {
        let given = [
            "grpc-status",
            "content-length",
            "content_length",
            "transfer-encoding",
            "host",
            "set-cookie",
            "authorization",
            "trailer",
            "location",
        ];
        let kept = Some(vec!["grpc-status".to_owned()]);
        assert_eq!(names(clean_answer_trailers(map(&given))), kept);
        let more = [
            &given[..],
            &["x-caracal-resource", "x-goog-api-key", "x-forwarded-for"],
        ];
        let rules = UploadTrailers {
            provider_slots: vec!["x-goog-api-key".to_owned()],
            mandate_slots: vec![MandateSlot::Header("x-key".to_owned())],
        };
        assert_eq!(names(rules.clean(map(&more.concat()))), kept);
        assert_eq!(names(rules.clean(map(&["x_key"]))), Some(Vec::new()));
    }

    #[test]
    fn too_many_and_too_long_are_none() {
        let mut trailers = map(&[]);
        for _ in 0..MAX_FIELDS {
            trailers.append("x", "1".parse().unwrap());
        }
        assert!(clean_answer_trailers(trailers.clone()).is_some());
        trailers.append("x", "1".parse().unwrap());
        assert!(clean_answer_trailers(trailers).is_none());
        let mut long = map(&[]);
        long.append("x", "1".repeat(MAX_BYTES).parse().unwrap());
        assert!(clean_answer_trailers(long).is_none());
    }
}

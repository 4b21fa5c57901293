//! What never passes: headers that are removed from requests and from answers.

use caracal_core::MandateSlot;
use http::header::{self, HeaderMap, HeaderName};

/// Headers of one connection (RFC 9110, 7.6.1), and what belongs to them.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Headers that an upstream could believe although the client made them up.
const FROM_REQUESTS: &[&str] = &[
    "authorization",
    "host",
    "expect",
    "dpop",
    "forwarded",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];
const PREFIXES_FROM_REQUESTS: &[&str] = &["x-caracal-", "x-forwarded-", "x-http-method"];

/// Headers of an answer that speak for the Gateway's origin and not for the upstream's.
const FROM_ANSWERS: &[&str] = &[
    "alt-svc",
    "strict-transport-security",
    "clear-site-data",
    "report-to",
    "nel",
    "dpop-nonce",
];
const PREFIXES_FROM_ANSWERS: &[&str] = &["caracal-", "access-control-"];

/// Removes from a client's request what must not go upstream. `slots` are the names of the
/// headers that the provider fills.
pub(crate) fn clean_request(
    headers: &mut HeaderMap,
    provider_slots: &[String],
    mandate_slots: &[MandateSlot],
    pass_cookies: bool,
) {
    let mandate_headers = mandate_slots.iter().filter_map(|slot| match slot {
        MandateSlot::Header(name) => Some(name.as_str()),
        MandateSlot::Query(_) | MandateSlot::BasicPassword => None,
    });
    let named = named_by_connection(headers);
    remove(headers, |name| {
        HOP_BY_HOP
            .iter()
            .chain(FROM_REQUESTS)
            .any(|own| is_same(name, own))
            || PREFIXES_FROM_REQUESTS
                .iter()
                .any(|prefix| has_prefix(name, prefix))
            || (!pass_cookies && (is_same(name, "cookie") || is_same(name, "cookie2")))
            || (name != "content-length" && is_same(name, "content-length"))
            || provider_slots.iter().any(|slot| is_same(name, slot))
            || mandate_headers.clone().any(|slot| is_same(name, slot))
            || named.iter().any(|own| is_same(name, own))
    });
}

/// Puts together what HTTP/2 lets clients send in pieces (RFC 9113, 8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().count() < 2 {
        return;
    }
    let pieces: Vec<_> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(http::HeaderValue::as_bytes)
        .collect();
    if let Ok(whole) = http::HeaderValue::from_bytes(&pieces.join(&b"; "[..])) {
        headers.insert(header::COOKIE, whole);
    }
}

/// Removes from an upstream's answer what must not reach the client.
pub(crate) fn clean_answer(headers: &mut HeaderMap, pass_cookies: bool) {
    let named = named_by_connection(headers);
    remove(headers, |name| {
        HOP_BY_HOP
            .iter()
            .chain(FROM_ANSWERS)
            .any(|own| is_same(name, own))
            || PREFIXES_FROM_ANSWERS
                .iter()
                .any(|prefix| has_prefix(name, prefix))
            || (!pass_cookies && (is_same(name, "set-cookie") || is_same(name, "set-cookie2")))
            || named.iter().any(|own| is_same(name, own))
    });
}

/// The lower-case header names that `Connection` lists. `close` and `keep-alive` are options
/// of the connection, and the length of a body is never one's to drop.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let mut names = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        let text = String::from_utf8_lossy(value.as_bytes());
        for name in text.split(',').map(str::trim) {
            let is_option = name.eq_ignore_ascii_case("close")
                || name.eq_ignore_ascii_case("keep-alive")
                || name.eq_ignore_ascii_case("content-length");
            if !name.is_empty() && !is_option {
                names.push(name.to_ascii_lowercase());
            }
        }
    }
    names
}

pub(crate) fn remove(headers: &mut HeaderMap, is_removed: impl Fn(&str) -> bool) {
    let removed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_removed(name.as_str()))
        .cloned()
        .collect();
    for name in removed {
        headers.remove(name);
    }
}

/// Compares header names as upstreams do that read `X_Api_Key` as `X-Api-Key`: whatever is
/// neither letter nor digit counts as a dash.
pub(crate) fn is_same(name: &str, other: &str) -> bool {
    name.len() == other.len() && has_prefix(name, other)
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    let fold = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            byte.to_ascii_lowercase()
        } else {
            b'-'
        }
    };
    name.len() >= prefix.len()
        && name
            .bytes()
            .zip(prefix.bytes())
            .all(|(a, b)| a == b || fold(a) == fold(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(names: &[(&str, &str)], clean: impl Fn(&mut HeaderMap)) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in names {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        clean(&mut map);
        let mut left: Vec<_> = map.keys().map(|name| name.as_str().to_owned()).collect();
        left.sort();
        left.join(" ")
    }

    #[test]
    fn what_clients_must_not_say_is_removed() {
        let slots = ["x-goog-api-key".to_owned()];
        let mandate_slots = [MandateSlot::Header("x-api-key".to_owned())];
        let clean = |map: &mut HeaderMap| clean_request(map, &slots, &mandate_slots, false);
        for name in [
            "authorization",
            "host",
            "expect",
            "dpop",
            "te",
            "trailer",
            "upgrade",
            "http2-settings",
            "transfer-encoding",
            "transfer_encoding",
            "content_length",
            "keep-alive",
            "proxy-connection",
            "proxy-authorization",
            "proxy_authorization",
            "forwarded",
            "x-forwarded-for",
            "x_forwarded_for",
            "x-forwarded_host",
            "x-forwarded-anything",
            "x-http-method",
            "x-http-method-override",
            "x_http_method_override",
            "x-method-override",
            "x-original-url",
            "x_original_url",
            "x-rewrite-url",
            "cookie",
            "cookie2",
            "x-caracal-resource",
            "x_caracal_approval",
            "x-caracal-future",
            "x-goog-api-key",
            "x_goog_api_key",
            "x-goog.api~key",
            "x-api-key",
            "x_api_key",
        ] {
            assert_eq!(
                left(&[(name, "1"), ("accept", "x")], clean),
                "accept",
                "{name}"
            );
        }
        let passing = [
            ("accept", "1"),
            ("content-type", "1"),
            ("content-length", "1"),
            ("user-agent", "1"),
            ("x-api-version", "1"),
            ("x-forwarded", "1"),
            ("anthropic-version", "1"),
            ("range", "1"),
        ];
        assert_eq!(
            left(&passing, clean),
            "accept anthropic-version content-length content-type range user-agent \
             x-api-version x-forwarded"
        );
        let pass_cookies = |map: &mut HeaderMap| clean_request(map, &[], &[], true);
        assert_eq!(
            left(&[("cookie", "1"), ("x-api-key", "1")], pass_cookies),
            "cookie x-api-key"
        );
    }

    #[test]
    fn pieces_of_cookies_are_put_together() {
        let mut headers = HeaderMap::new();
        for piece in ["a=1", "b=2"] {
            headers.append("cookie", piece.parse().unwrap());
        }
        join_cookies(&mut headers);
        let all: Vec<_> = headers.get_all("cookie").iter().collect();
        assert_eq!(all, ["a=1; b=2"]);
    }

    #[test]
    fn headers_named_in_connection_go_with_it() {
        let clean = |map: &mut HeaderMap| clean_request(map, &[], &[], false);
        let given = [
            ("connection", "close, X-Own ,"),
            ("connection", "x-two"),
            ("x-own", "1"),
            ("x_two", "1"),
            ("x-three", "1"),
            ("content-length", "1"),
        ];
        assert_eq!(left(&given, clean), "content-length x-three");
        let length = [("connection", "content-length"), ("content-length", "1")];
        assert_eq!(left(&length, clean), "content-length");
    }

    #[test]
    fn what_speaks_for_the_gateway_is_removed_from_answers() {
        let clean = |map: &mut HeaderMap| clean_answer(map, false);
        for name in [
            "caracal-receipt",
            "caracal-refusal",
            "caracal-request-id",
            "caracal-x",
            "set-cookie",
            "set-cookie2",
            "alt-svc",
            "strict-transport-security",
            "clear-site-data",
            "report-to",
            "nel",
            "dpop-nonce",
            "access-control-allow-origin",
            "access-control-allow-credentials",
            "connection",
            "keep-alive",
            "trailer",
            "upgrade",
            "transfer-encoding",
            "proxy-authenticate",
            "te",
        ] {
            assert_eq!(left(&[(name, "1"), ("etag", "x")], clean), "etag", "{name}");
        }
        let named = [
            ("connection", "x-own"),
            ("x-own", "1"),
            ("retry-after", "1"),
        ];
        assert_eq!(left(&named, clean), "retry-after");
        let pass_cookies = |map: &mut HeaderMap| clean_answer(map, true);
        assert_eq!(
            left(&[("set-cookie", "a"), ("set-cookie", "b")], pass_cookies),
            "set-cookie"
        );
    }
}

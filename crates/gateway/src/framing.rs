//! What a request must be before anything in it is believed.
//!
//! hyper refuses malformed heads, folded lines, contradicting lengths and a `Transfer-Encoding`
//! that does not end in `chunked`; of a request with both a length and `Transfer-Encoding` it
//! drops the length and closes the connection afterwards. The rest is refused here.

use http::header::{CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Method, Uri, Version};

use crate::refused::Refused;

/// The largest number of headers of a request.
const MAX_HEADERS: usize = 100;
/// And their bytes: the library reads a little further than it is told.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// Refuses requests that a proxy and an upstream could understand differently.
pub(crate) fn check(
    method: &Method,
    uri: &Uri,
    version: Version,
    headers: &HeaderMap,
) -> Result<(), Refused> {
    let is_http2 = version == Version::HTTP_2;
    if is_http2 {
        check_authority(uri, headers)?;
    } else if uri.scheme().is_some() || uri.authority().is_some() {
        return Err(Refused::malformed("the request target is not a path")
            .hint("the Gateway is no forward proxy: send the path only"));
    }
    if headers.len() > MAX_HEADERS {
        return Err(Refused::head_too_large(format!(
            "the request has more than {MAX_HEADERS} headers"
        )));
    }
    if method == Method::CONNECT || method == Method::TRACE {
        return Err(Refused::malformed(format!("`{method}` is not forwarded")));
    }
    // Methods are compared exactly here, in rules and in policies, but some upstreams turn them
    // into capitals: `delete` would be a way around what is said of `DELETE`.
    if method.as_str().bytes().any(|b| b.is_ascii_lowercase()) {
        return Err(Refused::malformed("the method is not in capitals"));
    }
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if bytes > MAX_HEADER_BYTES {
        return Err(Refused::head_too_large(format!(
            "the headers of the request have more than {MAX_HEADER_BYTES} bytes"
        )));
    }
    let hosts = headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && version == Version::HTTP_11) {
        return Err(Refused::malformed(
            "the request needs exactly one `Host` header",
        ));
    }
    if headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
        return Err(Refused::malformed("the request has two lengths"));
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next()
        && (codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return Err(Refused::malformed(
            "no transfer coding but `chunked` is understood",
        ));
    }
    if headers
        .get_all(EXPECT)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        return Err(Refused::unmet_expectation());
    }
    // An offer of cleartext HTTP/2 may be left unanswered (RFC 9110, 7.8), and common clients
    // make it with every first request; whoever offers anything else cannot go on without it.
    let is_h2c = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"h2c");
    if !headers.get_all(UPGRADE).iter().all(is_h2c) {
        return Err(Refused::upgrade());
    }
    Ok(())
}

/// Over HTTP/2 the authority stands beside the path; a `Host` header must say the same.
fn check_authority(uri: &Uri, headers: &HeaderMap) -> Result<(), Refused> {
    if !matches!(uri.scheme_str(), None | Some("http" | "https")) {
        return Err(Refused::malformed(
            "`:scheme` is neither `http` nor `https`",
        ));
    }
    let authority = uri.authority().map(http::uri::Authority::as_str);
    if authority.is_some_and(|authority| authority.contains('@')) {
        return Err(Refused::malformed("`:authority` holds a user name"));
    }
    match (authority, headers.get(HOST)) {
        (None, None) => Err(Refused::malformed(
            "the request has neither `:authority` nor `Host`",
        )),
        (Some(authority), Some(host))
            if !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) =>
        {
            Err(Refused::malformed(
                "`:authority` and `Host` contradict each other",
            ))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &str, uri: &str, version: Version, headers: &[(&str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        check(&method, &uri.parse().unwrap(), version, &map).map_or_else(|r| r.status(), |()| 0)
    }

    #[test]
    fn large_heads_are_refused() {
        let version = Version::HTTP_11;
        let long = "a".repeat(MAX_HEADER_BYTES);
        let headers = [("host", "g"), ("x", &*long)];
        assert_eq!(status("GET", "/", version, &headers), 431);
        let mut many = vec![("host", "g")];
        many.resize(MAX_HEADERS, ("x", "y"));
        assert_eq!(status("GET", "/", version, &many), 0);
        many.push(("x", "y"));
        assert_eq!(status("GET", "/", version, &many), 431);
    }

    #[test]
    fn odd_requests_are_refused() {
        let host = ("host", "g");
        let two = Version::HTTP_2;
        let (new, old) = (Version::HTTP_11, Version::HTTP_10);
        type Row<'a> = (&'a str, &'a str, Version, &'a [(&'a str, &'a str)], u16);
        let table: &[Row<'_>] = &[
            ("GET", "/a?b", new, &[host], 0),
            ("OPTIONS", "/a", new, &[host], 0),
            ("PROPFIND", "/a", new, &[host], 0),
            ("M-SEARCH", "/a", new, &[host], 0),
            ("delete", "/a", new, &[host], 400),
            ("Get", "/a", new, &[host], 400),
            ("GET", "/a", old, &[], 0),
            ("GET", "/a", new, &[], 400),
            ("GET", "/a", new, &[host, host], 400),
            ("GET", "/a", old, &[host, host], 400),
            ("GET", "http://x/a", new, &[host], 400),
            ("GET", "http://g/a", two, &[], 0),
            ("GET", "https://g/a", two, &[("host", "G")], 0),
            ("GET", "/a", two, &[host], 0),
            ("GET", "/a", two, &[], 400),
            ("GET", "http://g/a", two, &[("host", "x")], 400),
            ("GET", "http://g/a", two, &[host, host], 400),
            ("GET", "http://u@g/a", two, &[], 400),
            ("GET", "ftp://g/a", two, &[], 400),
            ("CONNECT", "g:443", two, &[], 400),
            (
                "POST",
                "http://g/",
                two,
                &[("content-length", "1"), ("content-length", "1")],
                400,
            ),
            ("GET", "x", new, &[host], 400),
            ("CONNECT", "x:443", new, &[host], 400),
            ("CONNECT", "/", new, &[host], 400),
            ("TRACE", "/", new, &[host], 400),
            (
                "POST",
                "/",
                new,
                &[host, ("transfer-encoding", "Chunked")],
                0,
            ),
            (
                "POST",
                "/",
                new,
                &[host, ("transfer-encoding", "gzip, chunked")],
                400,
            ),
            (
                "POST",
                "/",
                new,
                &[
                    host,
                    ("transfer-encoding", "chunked"),
                    ("transfer-encoding", "chunked"),
                ],
                400,
            ),
            ("POST", "/", new, &[host, ("expect", "100-Continue")], 0),
            ("POST", "/", new, &[host, ("expect", "200-ok")], 417),
            ("GET", "/", new, &[host, ("upgrade", "h2c")], 0),
            ("GET", "/", new, &[host, ("upgrade", "websocket")], 501),
            ("GET", "/", new, &[host, ("upgrade", "h2c, websocket")], 501),
            (
                "GET",
                "/",
                new,
                &[host, ("upgrade", "h2c"), ("upgrade", "websocket")],
                501,
            ),
        ];
        for (method, uri, version, headers, expected) in table {
            let got = status(method, uri, *version, headers);
            assert_eq!(got, *expected, "{method} {uri} {headers:?}");
        }
    }
}

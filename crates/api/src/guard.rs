//! Keeps browser pages out: a page must get nothing from this door, also when it has tricked
//! the browser into taking its own name for our address.

use axum::extract::Request;
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, StatusCode, Version};

use crate::ApiConfig;
use crate::peer::Peer;
use crate::refusal::Refusal;

/// Refuses what a page in a browser could send.
pub(crate) fn check(config: &ApiConfig, request: &Request) -> Result<(), Refusal> {
    let peer = Peer::of(request.extensions());
    check_origin(config, peer, request.headers())?;
    if peer == Peer::Loopback {
        check_host(config, request)?;
    }
    Ok(())
}

/// Browsers send `Origin` with everything but plain navigation. Only the console's own is good.
fn check_origin(config: &ApiConfig, peer: Peer, headers: &HeaderMap) -> Result<(), Refusal> {
    let own = config.public_url.as_bytes();
    for origin in headers.get_all(ORIGIN) {
        if peer == Peer::Local || !origin.as_bytes().eq_ignore_ascii_case(own) {
            let detail = "requests of other web pages are refused";
            return Err(Refusal::anonymous(
                StatusCode::FORBIDDEN,
                "origin_refused",
                detail,
            ));
        }
    }
    Ok(())
}

/// A page whose host name was made to resolve to loopback sends that name (DNS rebinding).
fn check_host(config: &ApiConfig, request: &Request) -> Result<(), Refusal> {
    let refused = |detail: &str| {
        let status = StatusCode::MISDIRECTED_REQUEST;
        Err(Refusal::anonymous(status, "host_unexpected", detail))
    };
    let mut named = request.headers().get_all(HOST).iter();
    let (host, more) = (named.next(), named.next());
    let header = host.and_then(|host| host.to_str().ok());
    let target = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    // HTTP/2 says it in the target instead.
    let is_http2 = request.version() == Version::HTTP_2;
    let header = header.or(target.filter(|_| is_http2 && host.is_none()));
    let (Some(header), None) = (header, more) else {
        return refused("exactly one `Host` is needed");
    };
    let known = |name: &str| {
        let name = name.to_ascii_lowercase();
        config.hosts.contains(&name)
    };
    if known(header) && target.is_none_or(known) {
        Ok(())
    } else {
        refused("this server is not known by this `Host`")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;

    use super::*;

    fn status_of(peer: Option<Peer>, target: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let config = ApiConfig::new(
            "http://localhost:3001",
            3001,
            "0",
            Arc::new(caracal_wire::StatusView::default),
            tokio_util::sync::CancellationToken::new(),
        );
        let mut request = http::Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().extend(
            peer.map(|peer| {
                let mut extensions = http::Extensions::new();
                extensions.insert(peer);
                extensions
            })
            .unwrap_or_default(),
        );
        let refusal = check(&config, &request).err();
        refusal.map(|refusal| refusal.into_problem().status)
    }

    #[test]
    fn only_our_own_names_are_served_on_loopback() {
        for good in [
            "localhost:3001",
            "LOCALHOST:3001",
            "127.0.0.1:3001",
            "[::1]:3001",
        ] {
            assert_eq!(
                status_of(None, "/v1/zones", &[("host", good)]),
                None,
                "{good}"
            );
        }
        for bad in [
            "evil.example:3001",
            "localhost",
            "localhost:80",
            "localhost:3001.evil.example",
            "localhost.evil.example:3001",
            "",
        ] {
            assert_eq!(status_of(None, "/", &[("host", bad)]), Some(421), "{bad}");
            let evil = status_of(Some(Peer::Loopback), "/", &[("host", bad)]);
            assert_eq!(evil, Some(421), "{bad}");
        }
        assert_eq!(status_of(None, "/", &[]), Some(421));
        let two = [("host", "localhost:3001"), ("host", "evil.example")];
        assert_eq!(status_of(None, "/", &two), Some(421));
        let host = [("host", "localhost:3001")];
        assert_eq!(status_of(None, "http://evil.example/", &host), Some(421));
        assert_eq!(status_of(None, "http://localhost:3001/", &host), None);
        assert_eq!(status_of(None, "http://localhost:3001/", &[]), Some(421));
        let public = [("host", "control.example.com")];
        assert_eq!(status_of(Some(Peer::Network), "/", &public), None);
        assert_eq!(status_of(Some(Peer::Local), "/", &[]), None);
    }

    #[test]
    fn only_the_console_may_be_the_origin() {
        for (origin, peer, wanted) in [
            ("http://localhost:3001", Peer::Loopback, None),
            ("http://localhost:3001", Peer::Local, Some(403)),
            ("http://localhost:3000", Peer::Loopback, Some(403)),
            ("https://localhost:3001", Peer::Loopback, Some(403)),
            ("http://127.0.0.1:3001", Peer::Loopback, Some(403)),
            ("null", Peer::Loopback, Some(403)),
            ("", Peer::Loopback, Some(403)),
            ("https://evil.example", Peer::Network, Some(403)),
        ] {
            let headers = [("host", "localhost:3001"), ("origin", origin)];
            assert_eq!(status_of(Some(peer), "/", &headers), wanted, "{origin}");
        }
    }
}

//! Opens connections to checked addresses only.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use caracal_core::UpstreamProtocol;
use http::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::Connection as _;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use crate::link::Link;
use crate::resolver::Resolver;
use crate::{EgressError, Phase};

/// How long one address may take to accept a connection.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long all addresses together may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long everything may take, from the name to the end of the TLS handshake.
const OPEN_TIMEOUT: Duration = Duration::from_secs(25);
/// How long a connection is quiet before the kernel asks whether the peer is still there, how
/// often it then asks, and how many times. It is the kernel that asks: servers of gRPC end
/// connections on which HTTP/2 is asked too often.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connecting<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// TCP to the checked addresses of a URI's host: the address that was checked is the one
/// connected to, so a name that changes its answer in between gains nothing.
#[derive(Clone)]
struct Guarded {
    resolver: Resolver,
    allow_private: bool,
}

impl Service<Uri> for Guarded {
    type Response = TokioIo<TcpStream>;
    type Error = EgressError;
    type Future = Connecting<Self::Response, EgressError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self {
            resolver,
            allow_private,
        } = self.clone();
        Box::pin(async move {
            let (host, port) = host_and_port(&uri)?;
            let addresses = resolver.resolve(host, port, allow_private).await?;
            let named = format!("{host}:{port}");
            match timeout(CONNECT_TIMEOUT, connect_to_any(&addresses, &named)).await {
                Ok(connected) => connected.map(TokioIo::new),
                Err(_) => Err(EgressError::Timeout {
                    host: named.into(),
                    phase: Phase::Connecting,
                }),
            }
        })
    }
}

/// The host (as written) and the port of a URI that says where to connect.
pub(crate) fn host_and_port(uri: &Uri) -> Result<(&str, u16), EgressError> {
    let host = uri.host().ok_or(EgressError::BadTarget("it has no host"))?;
    let port = match (uri.port_u16(), uri.scheme_str()) {
        (Some(port), _) => port,
        (None, Some("https")) => 443,
        (None, Some("http")) => 80,
        (None, _) => return Err(EgressError::BadTarget("only http and https are spoken")),
    };
    Ok((host, port))
}

async fn connect_to_any(addresses: &[SocketAddr], host: &str) -> Result<TcpStream, EgressError> {
    let mut last = EgressError::Unreachable {
        host: host.into(),
        why: "no address".into(),
    };
    for address in addresses {
        match timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                if let Err(error) = prepare(&stream) {
                    tracing::debug!(%error, "an outbound connection keeps the system's options");
                }
                return Ok(stream);
            }
            Ok(Err(error)) => {
                last = EgressError::Unreachable {
                    host: host.into(),
                    why: error.to_string().into(),
                };
            }
            Err(_) => {
                last = EgressError::Timeout {
                    host: host.into(),
                    phase: Phase::Connecting,
                }
            }
        }
    }
    Err(last)
}

/// Sends at once, and notices a peer that silently went away while nothing was to be sent.
fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?;
    Ok(())
}

/// Guarded TCP, with TLS where the URI says `https`, in bounded time.
#[derive(Clone)]
pub(crate) struct Connector {
    inner: HttpsConnector<Guarded>,
    protocol: UpstreamProtocol,
}

impl Connector {
    pub(crate) fn new(
        resolver: Resolver,
        allow_private: bool,
        tls: Arc<ClientConfig>,
        protocol: UpstreamProtocol,
    ) -> Self {
        let guarded = Guarded {
            resolver,
            allow_private,
        };
        Self {
            inner: HttpsConnector::from((guarded, tls)),
            protocol,
        }
    }
}

impl Service<Uri> for Connector {
    type Response = Link;
    type Error = BoxError;
    type Future = Connecting<Self::Response, BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let host: Box<str> = uri
            .authority()
            .map_or("", |authority| authority.as_str())
            .into();
        let is_tls = uri.scheme_str() == Some("https");
        let is_http2_wanted = self.protocol == UpstreamProtocol::Http2;
        let opening = timeout(OPEN_TIMEOUT, self.inner.call(uri));
        Box::pin(async move {
            let Ok(opened) = opening.await else {
                let phase = Phase::Handshaking;
                return Err(EgressError::Timeout { host, phase }.into());
            };
            let stream = opened?;
            let is_agreed = stream.connected().is_negotiated_h2();
            if is_tls && is_http2_wanted && !is_agreed {
                let why = "it does not offer HTTP/2, which `upstream_protocol` demands".into();
                return Err(EgressError::Tls { host, why }.into());
            }
            Ok(Link::new(stream, is_http2_wanted || is_agreed))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[tokio::test]
    async fn addresses_are_tried_in_order_until_one_accepts() {
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = listeners
            .each_ref()
            .map(|listener| listener.local_addr().unwrap());
        let [first, second, _third] = listeners;
        drop(first);
        let stream = connect_to_any(&addresses, "host:1").await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addresses[1]);
        assert!(stream.nodelay().unwrap());
        drop(second);
        let error = connect_to_any(&addresses[..2], "host:1").await.unwrap_err();
        assert!(matches!(error, EgressError::Unreachable { .. }), "{error}");
    }

    #[test]
    fn ports_follow_the_scheme() {
        let of = |uri: &'static str| {
            let uri = Uri::from_static(uri);
            host_and_port(&uri).map(|(host, port)| (host.to_owned(), port))
        };
        assert_eq!(of("http://a.example/"), Ok(("a.example".to_owned(), 80)));
        assert_eq!(of("https://a.example/"), Ok(("a.example".to_owned(), 443)));
        assert_eq!(of("https://[::1]:8443/"), Ok(("[::1]".to_owned(), 8443)));
        assert!(of("/path").is_err());
        assert!(of("ftp://a.example/").is_err());
    }
}

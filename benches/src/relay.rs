//! The yardstick: what the server's HTTP libraries cost when nothing is governed.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::child::{announce, orphaned};

type Upstream = Client<HttpConnector, Incoming>;
type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// Relays until the process that started it is gone.
pub(crate) async fn serve(upstream: SocketAddr) -> Result<()> {
    let authority: Authority = upstream
        .to_string()
        .parse()
        .context("the upstream's address is no authority")?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connector);
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("cannot listen on loopback")?;
    announce(listener.local_addr().context("the listener is gone")?);
    tokio::select! {
        accepting = accept(listener, client, authority) => accepting,
        () = orphaned() => Ok(()),
    }
}

async fn accept(listener: TcpListener, client: Upstream, authority: Authority) -> Result<()> {
    let tracker = TaskTracker::new();
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        stream.set_nodelay(true).context("cannot set nodelay")?;
        let (client, authority) = (client.clone(), authority.clone());
        let service = service_fn(move |request| {
            let (client, authority) = (client.clone(), authority.clone());
            async move { Ok::<_, Infallible>(relay(request, &client, authority).await) }
        });
        tracker.spawn(async move {
            // A client that goes away is none of our business.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn relay(
    mut request: Request<Incoming>,
    client: &Upstream,
    authority: Authority,
) -> Response<Body> {
    let mut parts = request.uri().clone().into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority);
    let Ok(uri) = Uri::from_parts(parts) else {
        return refusal(StatusCode::BAD_REQUEST);
    };
    *request.uri_mut() = uri;
    request.headers_mut().remove(header::HOST);
    match client.request(request).await {
        Ok(answer) => answer.map(BodyExt::boxed_unsync),
        Err(_) => refusal(StatusCode::BAD_GATEWAY),
    }
}

fn refusal(status: StatusCode) -> Response<Body> {
    let body = Empty::new().map_err(|never: Infallible| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    answer
}

//! A client with its pool of connections.

use std::time::Duration;

use caracal_core::UpstreamProtocol;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use crate::connector::Connector;
use crate::held_body::HeldBody;
use crate::pulse::Pulse;
use crate::resolver::Resolver;
use crate::{MAX_ANSWER_HEAD_BYTES, MAX_ANSWER_HEADERS, trust};

const MAX_IDLE_PER_HOST: usize = 64;
/// Below the idle timeout of common servers (60 s), so that it is we who close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// How much of one answer an HTTP/2 upstream may send ahead of its reader.
const STREAM_WINDOW: u32 = 256 * 1024;
/// How much of all answers of a connection: no bound of its own (the largest that exists),
/// else a few clients that do not read would stop everyone else's answers. What is held is
/// bounded by the windows of the streams, and those by the calls.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// How much of one request is taken from its client ahead of an upstream that does not read.
const SEND_BUFFER: usize = 64 * 1024;

/// A client of one [`Connector`].
#[derive(Clone)]
pub(crate) struct Client {
    pool: legacy::Client<Connector, HeldBody>,
    /// True if several requests may share a connection.
    shares: bool,
}

impl Client {
    pub(crate) fn new(
        resolver: &Resolver,
        allow_private: bool,
        tls: ClientConfig,
        protocol: UpstreamProtocol,
    ) -> Self {
        let tls = trust::offering(tls, protocol);
        let connector = Connector::new(resolver.clone(), allow_private, tls, protocol);
        let pool = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .http1_max_buf_size(MAX_ANSWER_HEAD_BYTES)
            .http1_max_headers(MAX_ANSWER_HEADERS)
            .http2_only(protocol == UpstreamProtocol::Http2)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_max_send_buf_size(SEND_BUFFER)
            .http2_max_header_list_size(MAX_ANSWER_HEAD_BYTES as u32)
            // Whether a request may be sent again is decided in one place, and that is ours.
            .retry_canceled_requests(false)
            .build(connector);
        Self {
            pool,
            shares: protocol != UpstreamProtocol::Http1,
        }
    }

    pub(crate) async fn request(
        &self,
        mut request: Request<HeldBody>,
    ) -> Result<Response<Incoming>, legacy::Error> {
        if !self.shares {
            return self.pool.request(request).await;
        }
        let pulse = Pulse::of(&mut request);
        let answer = self.pool.request(request).await;
        match &answer {
            Ok(answer) => pulse.answered(answer),
            Err(_) => pulse.failed(),
        }
        answer
    }
}

//! A client with its connections.

use std::time::Duration;

use caracal_core::{UpstreamProtocol, ZoneId};
use http::{Request, Response};
use hyper_util::client::legacy::{self, connect::HttpInfo};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use crate::answer::Answer;
use crate::connector::Connector;
use crate::failure::Failure;
use crate::held_body::HeldBody;
use crate::resolver::Resolver;
use crate::shared::SharedPool;
use crate::{ConnectedTo, MAX_ANSWER_HEAD_BYTES, MAX_ANSWER_HEADERS, trust};

const MAX_IDLE_PER_HOST: usize = 64;
/// Below the idle timeout of common servers (60 s), so that it is we who close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// A client of one [`Connector`].
#[derive(Clone)]
pub(crate) enum Client {
    /// HTTP/1.1: every request has its connection.
    Alone(Box<legacy::Client<Connector, HeldBody>>),
    /// HTTP/2: requests share connections.
    Sharing(SharedPool),
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
        if protocol == UpstreamProtocol::Http2 {
            return Self::Sharing(SharedPool::new(connector));
        }
        let pool = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .http1_max_buf_size(MAX_ANSWER_HEAD_BYTES)
            .http1_max_headers(MAX_ANSWER_HEADERS)
            // Whether a request may be sent again is decided in one place, and that is ours.
            .retry_canceled_requests(false)
            .build(connector);
        Self::Alone(Box::new(pool))
    }

    /// Sends a request; connections of HTTP/2 are those of the zone.
    pub(crate) async fn request(
        &self,
        zone: Option<ZoneId>,
        request: Request<HeldBody>,
    ) -> Result<Response<Answer>, Failure> {
        match self {
            Self::Sharing(pool) => pool.request(zone, request).await,
            Self::Alone(pool) => {
                let mut answer = pool.request(request).await.map_err(Failure::Alone)?;
                if let Some(info) = answer.extensions_mut().remove::<HttpInfo>() {
                    let remote = ConnectedTo(info.remote_addr());
                    answer.extensions_mut().insert(remote);
                }
                Ok(answer.map(Answer::alone))
            }
        }
    }
}

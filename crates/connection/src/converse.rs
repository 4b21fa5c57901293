//! The conversation on one connection.

mod http1;
mod http2;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;

use crate::activity::Activity;
use crate::paced::Given;
use crate::{Arrival, DoorRules, Exchange, Protocol, Transport};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Serves a connection until it ends, one of its limits passes, or the time to drain is over.
/// Every request goes to `service` with the exchange that belongs to it.
pub async fn converse<T, S, F, B>(stream: T, arrival: Arrival, rules: &DoorRules, service: S)
where
    T: Transport,
    S: Fn(Request<Incoming>, Arc<Exchange>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
{
    let door = rules.door;
    let ended = match arrival.protocol {
        Protocol::Http1 => http1::converse(stream, arrival, rules, service).await,
        Protocol::Http2 => http2::converse(stream, arrival, rules, service).await,
    };
    if let Some(reason) = ended {
        metrics::counter!("caracal_connections_cut_total", "door" => door, "reason" => reason)
            .increment(1);
        tracing::debug!(door, reason, client = %arrival.peer(), "a connection was ended");
    }
}

/// Hands a request to the door.
fn answer<S, F, B>(
    service: &S,
    mut request: Request<Incoming>,
    exchange: Arc<Exchange>,
    activity: &Arc<Activity>,
    arrival: Arrival,
    rules: &DoorRules,
) -> impl Future<Output = Result<Response<Given<B>>, Infallible>> + Send + use<S, F, B>
where
    S: Fn(Request<Incoming>, Arc<Exchange>) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Unpin + Send + 'static,
{
    let mut busy = activity.request();
    let client = rules.proxies.client(arrival.peer(), request.headers());
    let is_http10 = request.version() == Version::HTTP_10;
    exchange.begin(client, !request.body().is_end_stream(), is_http10);
    // With it goes every way to take the connection over.
    request.extensions_mut().clear();
    // By itself in a box: `async` would hold, and every request move, a second one of it.
    let answer = Box::pin(service(request, Arc::clone(&exchange)));
    answer.map(move |answer| {
        busy.answered();
        Ok(answer.map(|body| Given::new(body, exchange, busy)))
    })
}

#[cfg(test)]
mod tests;

//! HTTP/2.

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{BoxError, answer};
use crate::activity::Activity;
use crate::alarm::Alarm;
use crate::{Arrival, DoorRules, Exchange, Limits, Transport};

/// What a client may send of a body before it was read, for one stream and for all.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What of an answer waits for the client, for each stream.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams that the client took back before they were looked at.
const PENDING_RESETS: usize = 20;
/// Streams that had to be ended because of what the client did.
const LOCAL_RESETS: usize = 256;
/// A silent client is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a client may stay after a goodbye without anything under way.
const GOODBYE: Duration = Duration::from_secs(2);

pub(super) async fn converse<T, S, F, B>(
    stream: T,
    arrival: Arrival,
    rules: &DoorRules,
    service: S,
) -> Option<&'static str>
where
    T: Transport,
    S: Fn(Request<Incoming>, Arc<Exchange>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
{
    // Bytes say nothing here: they are answers to pings as well.
    let activity = Activity::new(&rules.limits, false);
    let streams = Streams::default();
    let (starting, doing) = (streams.clone(), Arc::clone(&activity));
    let of_door = rules.clone();
    let service = service_fn(move |request| {
        let exchange = Arc::new(Exchange::new(arrival, &of_door.limits));
        starting.next(Arc::clone(&exchange));
        answer(&service, request, exchange, &doing, arrival, &of_door)
    });
    let mut connection = std::pin::pin!(
        http2::Builder::new(streams.clone())
            .timer(TokioTimer::new())
            .max_concurrent_streams(rules.limits.max_streams)
            .max_header_list_size(u32::try_from(Limits::HEAD_BYTES).unwrap_or(u32::MAX))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_pending_accept_reset_streams(PENDING_RESETS)
            .max_local_error_reset_streams(LOCAL_RESETS)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
    );

    let mut stopping = std::pin::pin!(rules.stopping.token().cancelled());
    let mut alarm = Alarm::default();
    let mut drain: Option<Pin<Box<Sleep>>> = None;
    let mut goodbye: Option<(Instant, &'static str)> = None;
    let ended = std::future::poll_fn(|cx| {
        loop {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            if activity.is_flood() {
                return Poll::Ready(Some("reset_flood"));
            }
            if let Some(drain) = &mut drain {
                if drain.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Some("drained"));
                }
            } else if stopping.as_mut().poll(cx).is_ready() {
                drain = Some(Box::pin(sleep(rules.limits.drain)));
                if goodbye.is_none() {
                    connection.as_mut().graceful_shutdown();
                    goodbye = Some((Instant::now(), "drained"));
                }
                continue;
            }
            // Streams that the client begins before it knows of the goodbye are still answered.
            if let Some((since, reason)) = goodbye {
                let quiet = activity.poll_quiet(since, GOODBYE, &mut alarm, cx);
                return quiet.map(|()| Some(reason));
            }
            if let Poll::Ready(reason) = activity.poll_end(&mut alarm, cx) {
                connection.as_mut().graceful_shutdown();
                goodbye = Some((Instant::now(), reason));
                continue;
            }
            return Poll::Pending;
        }
    })
    .await;
    streams.end(ended).await;
    ended
}

/// The streams of a connection. Each is a task that ends when its exchange must, which resets
/// the stream, or when the connection has ended.
#[derive(Clone, Default)]
struct Streams {
    tasks: TaskTracker,
    gone: CancellationToken,
    reason: Arc<OnceLock<&'static str>>,
    /// The exchange of the stream that is about to be executed.
    next: Arc<Mutex<Option<Arc<Exchange>>>>,
}

impl Streams {
    /// Says whose stream is executed next: the library asks the service for a future and hands
    /// it over at once.
    fn next(&self, exchange: Arc<Exchange>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(exchange);
    }

    async fn end(&self, reason: Option<&'static str>) {
        if let Some(reason) = reason {
            let _ = self.reason.set(reason);
        }
        self.gone.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let next = self
            .next
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let (gone, reason) = (self.gone.clone(), Arc::clone(&self.reason));
        self.tasks.spawn(async move {
            let mut gone = std::pin::pin!(gone.cancelled());
            let mut stream = std::pin::pin!(stream);
            std::future::poll_fn(|cx| {
                if stream.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                if let Some(exchange) = &next {
                    if let Poll::Ready(reason) = exchange.poll_end(cx) {
                        exchange.end(reason);
                        return Poll::Ready(());
                    }
                    if gone.as_mut().poll(cx).is_ready() {
                        if let Some(reason) = reason.get() {
                            exchange.end(reason);
                        }
                        return Poll::Ready(());
                    }
                }
                Poll::Pending
            })
            .await;
        });
    }
}

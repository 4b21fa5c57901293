//! HTTP/1.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::{BoxError, answer};
use crate::activity::{Activity, Noted};
use crate::alarm::Alarm;
use crate::{Arrival, DoorRules, Exchange, Limits, Transport};

/// How long and how much of an unread body is thrown away, so that the client gets to read
/// the answer before its connection is reset.
const LINGER: Duration = Duration::from_secs(3);
const LINGER_BYTES: usize = 64 * 1024 * 1024;

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
    let exchange = Arc::new(Exchange::new(arrival, &rules.limits));
    let activity = Activity::new(&rules.limits, true);
    let (shared, doing) = (Arc::clone(&exchange), Arc::clone(&activity));
    let of_door = rules.clone();
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        answer(&service, request, shared, &doing, arrival, &of_door)
    });
    let noted = Noted {
        stream,
        activity: Arc::clone(&activity),
    };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // The time for a head is kept here, beside the other limits.
        .header_read_timeout(None)
        .max_headers(Limits::HEADERS)
        .max_buf_size(Limits::HEAD_BYTES)
        .serve_connection(TokioIo::new(noted), service);

    let mut stopping = std::pin::pin!(rules.stopping.token().cancelled());
    let mut alarm = Alarm::default();
    let mut closing: Option<Closing> = None;
    let is_clean = std::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(ended.is_ok());
            }
            if let Poll::Ready(reason) = exchange.poll_end(cx) {
                exchange.end(reason);
                return Poll::Ready(false);
            }
            if let Poll::Ready(reason) = activity.poll_end(&mut alarm, cx) {
                exchange.end(reason);
                return Poll::Ready(false);
            }
            let Some(closing) = &mut closing else {
                if stopping.as_mut().poll(cx).is_ready() {
                    closing = Some(Closing::new(rules));
                    continue;
                }
                return Poll::Pending;
            };
            if closing.limit.as_mut().poll(cx).is_ready() {
                exchange.end("drained");
                return Poll::Ready(false);
            }
            if closing.poll_last(&activity, cx).is_ready() {
                closing.is_last = true;
                Pin::new(&mut connection).graceful_shutdown();
                continue;
            }
            return Poll::Pending;
        }
    })
    .await;

    // Whatever was under way ends here, and records that it did.
    let stream = connection.into_parts().io.into_inner().stream;
    if is_clean && exchange.is_unread() {
        // Few connections end like that: the buffer for it is not part of every one.
        let _ = timeout(LINGER, Box::pin(read_away(stream))).await;
    } else if !is_clean && exchange.ends_as_reset() {
        stream.reset_at_end();
    }
    exchange.ended()
}

/// A connection while the door is closing.
struct Closing {
    /// The end of what is under way.
    limit: Pin<Box<Sleep>>,
    began: Instant,
    /// How long a connection without a request answers one more.
    lame_duck: Duration,
    alarm: Alarm,
    /// No request is answered after the one that is under way.
    is_last: bool,
}

impl Closing {
    fn new(rules: &DoorRules) -> Self {
        Self {
            limit: Box::pin(sleep(rules.limits.drain)),
            began: Instant::now(),
            lame_duck: rules.stopping.lame_duck(),
            alarm: Alarm::default(),
            is_last: false,
        }
    }

    /// Ready when the next answer is to be the last. An answer can only say so before it begins:
    /// where one is on its way already the client does not know, and may ask once more.
    fn poll_last(&mut self, activity: &Activity, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_last {
            return Poll::Pending;
        }
        if activity.is_unanswered() {
            return Poll::Ready(());
        }
        activity.poll_quiet(self.began, self.lame_duck, &mut self.alarm, cx)
    }
}

async fn read_away(mut stream: impl AsyncRead + Unpin) {
    let mut buffer = [0; 8 * 1024];
    let mut left = LINGER_BYTES;
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        match left.checked_sub(read) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

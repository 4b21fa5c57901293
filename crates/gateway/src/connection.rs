//! One connection of a client, from its first byte to its last.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::Gateway;
use crate::handle::handle;

/// The largest head of a request, and how much of a body is held at a time.
const MAX_BUFFER_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;
/// How long and how much of an unread body is thrown away, so that the client gets to read
/// the answer before its connection is reset.
const LINGER: Duration = Duration::from_secs(3);
const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// What the requests of a connection leave for it to know. There is one request at a time.
#[derive(Default)]
pub(crate) struct ConnectionState {
    /// Both ends are on this machine, as the kernel tells.
    pub(crate) on_this_machine: bool,
    /// The body of the current request has not been read to its end.
    unread: AtomicBool,
    /// An early end must be a reset, since nothing else tells the client (HTTP/1.0).
    reset: AtomicBool,
    ended: OnceLock<&'static str>,
    stream: Mutex<Option<Watched>>,
}

/// An answer under way that has to end in time, whether or not anything moves.
struct Watched {
    cut: CancellationToken,
    deadline: Instant,
    waits: Option<Waits>,
}

type Waits = (Pin<Box<WaitForCancellationFutureOwned>>, Pin<Box<Sleep>>);

impl ConnectionState {
    /// Notes a new request.
    pub(crate) fn begin(&self, has_body: bool, is_http10: bool) {
        self.unread.store(has_body, Ordering::Release);
        self.reset.store(is_http10, Ordering::Release);
        self.unwatch();
    }

    /// Notes that the body of the request was read to its end.
    pub(crate) fn body_read(&self) {
        self.unread.store(false, Ordering::Release);
    }

    pub(crate) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Acquire)
    }

    /// Why we ended the connection, if we did.
    pub(crate) fn ended(&self) -> Option<&'static str> {
        self.ended.get().copied()
    }

    /// Ends the connection when `cut` fires or `deadline` passes, even if the client does not
    /// read and the body is therefore not asked for anything.
    pub(crate) fn watch(&self, cut: CancellationToken, deadline: Instant) {
        *self.stream() = Some(Watched {
            cut,
            deadline,
            waits: None,
        });
    }

    pub(crate) fn unwatch(&self) {
        *self.stream() = None;
    }

    fn poll_watched(&self, cx: &mut Context<'_>) -> Poll<&'static str> {
        let mut stream = self.stream();
        let Some(Watched {
            cut,
            deadline,
            waits,
        }) = &mut *stream
        else {
            return Poll::Pending;
        };
        // Most answers are there at once and never come here.
        let (cut, late) = waits.get_or_insert_with(|| {
            (
                Box::pin(cut.clone().cancelled_owned()),
                Box::pin(sleep_until(*deadline)),
            )
        });
        if cut.as_mut().poll(cx).is_ready() {
            Poll::Ready("mandate_revoked")
        } else if late.as_mut().poll(cx).is_ready() {
            Poll::Ready("stream_too_long")
        } else {
            Poll::Pending
        }
    }

    fn stream(&self) -> std::sync::MutexGuard<'_, Option<Watched>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves a connection until it ends, the shutdown's limit passes, or its stream is cut.
pub(crate) async fn converse(gateway: Gateway, stream: TcpStream, shutdown: CancellationToken) {
    let local = stream.local_addr();
    let state = Arc::new(ConnectionState {
        on_this_machine: local.is_ok_and(|local| local.ip().to_canonical().is_loopback()),
        ..ConnectionState::default()
    });
    let drain = gateway.0.config.drain;
    let head_timeout = gateway.0.config.head_timeout;
    let shared = Arc::clone(&state);
    let service = service_fn(move |request| {
        let (gateway, state) = (gateway.clone(), Arc::clone(&shared));
        async move { Ok::<_, Infallible>(handle(gateway, state, request).await) }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);

    let mut stopping = std::pin::pin!(shutdown.cancelled());
    let mut limit: Option<Pin<Box<Sleep>>> = None;
    let is_clean = std::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(ended.is_ok());
            }
            if let Poll::Ready(reason) = state.poll_watched(cx) {
                let _ = state.ended.set(reason);
                return Poll::Ready(false);
            }
            match &mut limit {
                Some(limit) => {
                    if limit.as_mut().poll(cx).is_ready() {
                        let _ = state.ended.set("drained");
                        return Poll::Ready(false);
                    }
                    return Poll::Pending;
                }
                None if stopping.as_mut().poll(cx).is_ready() => {
                    Pin::new(&mut connection).graceful_shutdown();
                    limit = Some(Box::pin(sleep(drain)));
                }
                None => return Poll::Pending,
            }
        }
    })
    .await;

    // Whatever was under way ends here, and records that it did.
    let stream = connection.into_parts().io.into_inner();
    if is_clean && state.is_unread() {
        let _ = timeout(LINGER, read_away(stream)).await;
    } else if !is_clean && state.reset.load(Ordering::Acquire) {
        let _ = stream.set_zero_linger();
    }
}

async fn read_away(mut stream: TcpStream) {
    let mut buffer = [0; 8 * 1024];
    let mut left = LINGER_BYTES;
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        match left.checked_sub(read) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

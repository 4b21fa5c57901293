//! The body of a request on its way upstream.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::connection::ConnectionState;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Passes a client's body on as the upstream takes it, up to a limit.
pub(crate) struct Upload {
    incoming: Incoming,
    left: u64,
    state: Arc<UploadState>,
    connection: Arc<ConnectionState>,
}

/// What the waiting side sees of an upload.
pub(crate) struct UploadState {
    started: Instant,
    /// Milliseconds from the start to the last thing that moved.
    moved: AtomicU64,
    /// True while the client owes the next bytes.
    waiting: AtomicBool,
    failure: AtomicU8,
}

/// Why an upload stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UploadFailure {
    /// More bytes than the resource takes.
    TooLarge,
    /// The client's body is malformed or its connection broke.
    Broken,
}

impl UploadFailure {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "body_too_large",
            Self::Broken => "client_gone",
        }
    }
}

impl fmt::Display for UploadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for UploadFailure {}

impl Upload {
    /// An upload of at most `limit` bytes.
    pub(crate) fn new(
        incoming: Incoming,
        limit: u64,
        connection: Arc<ConnectionState>,
    ) -> (Self, Arc<UploadState>) {
        let state = Arc::new(UploadState {
            started: Instant::now(),
            moved: AtomicU64::new(0),
            waiting: AtomicBool::new(false),
            failure: AtomicU8::new(0),
        });
        let upload = Self {
            incoming,
            left: limit,
            state: Arc::clone(&state),
            connection,
        };
        (upload, state)
    }

    fn fail(&self, failure: UploadFailure) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.state
            .failure
            .store(failure as u8 + 1, Ordering::Release);
        Poll::Ready(Some(Err(failure.into())))
    }
}

impl UploadState {
    /// When bytes of the body last moved.
    pub(crate) fn last_moved(&self) -> Instant {
        self.started + Duration::from_millis(self.moved.load(Ordering::Acquire))
    }

    /// True while the client, and not the upstream, keeps everyone waiting.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire)
    }

    pub(crate) fn failure(&self) -> Option<UploadFailure> {
        match self.failure.load(Ordering::Acquire) {
            1 => Some(UploadFailure::TooLarge),
            2 => Some(UploadFailure::Broken),
            _ => None,
        }
    }

    fn note(&self, waiting: bool) {
        let passed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(passed, Ordering::Release);
        self.waiting.store(waiting, Ordering::Release);
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            let polled = Pin::new(&mut self.incoming).poll_frame(cx);
            if polled.is_pending() {
                self.state.waiting.store(true, Ordering::Release);
                self.connection.body_waits();
            }
            match ready!(polled) {
                Some(Ok(frame)) => {
                    self.state.note(false);
                    let Some(data) = frame.data_ref() else {
                        // Trailers are headers that came too late to be looked at.
                        continue;
                    };
                    self.connection.body_came(data.len());
                    match self.left.checked_sub(data.len() as u64) {
                        Some(left) => self.left = left,
                        None => return self.fail(UploadFailure::TooLarge),
                    }
                    if self.incoming.is_end_stream() {
                        self.connection.body_read();
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Err(_)) => return self.fail(UploadFailure::Broken),
                None => {
                    self.state.note(false);
                    self.connection.body_read();
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

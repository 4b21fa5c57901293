//! The body of a request on its way upstream.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::call::Call;
use crate::connection::ConnectionState;
use crate::trailers::UploadTrailers;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Passes a client's body on as the upstream takes it, up to a limit.
pub(crate) struct Upload {
    incoming: Incoming,
    left: u64,
    state: Arc<UploadState>,
    connection: Arc<ConnectionState>,
    /// What of the trailers passes; without it nothing does.
    trailers: Option<UploadTrailers>,
    /// Run once the answer is over.
    late: Option<Pin<Box<Sleep>>>,
    cut: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

/// What the waiting side sees of an upload.
pub(crate) struct UploadState {
    started: Instant,
    /// Milliseconds from the start to the last thing that moved.
    moved: AtomicU64,
    /// True while the client owes the next bytes.
    waiting: AtomicBool,
    failure: AtomicU8,
    end: Mutex<End>,
}

/// When an upload must be over, and whom to wake when that changes.
#[derive(Default)]
struct End {
    deadline: Option<Instant>,
    /// The call, once its answer is complete and only the upload goes on.
    call: Option<Call>,
    is_over: bool,
    waker: Option<Waker>,
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
        trailers: Option<UploadTrailers>,
    ) -> (Self, Arc<UploadState>) {
        let state = Arc::new(UploadState {
            started: Instant::now(),
            moved: AtomicU64::new(0),
            waiting: AtomicBool::new(false),
            failure: AtomicU8::new(0),
            end: Mutex::default(),
        });
        let upload = Self {
            incoming,
            left: limit,
            state: Arc::clone(&state),
            connection,
            trailers,
            late: None,
            cut: None,
        };
        (upload, state)
    }

    /// Ready once nothing more may go upstream.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = {
            let mut end = self.state.end();
            if !end.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                end.waker = Some(cx.waker().clone());
            }
            if self.cut.is_none()
                && let Some(permit) = end.call.as_ref().and_then(Call::permit)
            {
                self.cut = Some(Box::pin(permit.cut().clone().cancelled_owned()));
            }
            end.deadline
        };
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        if let Some(cut) = &mut self.cut
            && cut.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(());
        }
        let late = self
            .late
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if late.deadline() != deadline {
            late.as_mut().reset(deadline);
        }
        late.as_mut().poll(cx)
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

    /// Lets nothing more go upstream, also when the client sends nothing and nobody else holds on
    /// to the request: over HTTP/2 a request can outlive its answer.
    pub(crate) fn end_now(&self) {
        self.end_by(Instant::now(), None);
    }

    /// Lets the rest of an upload whose answer is complete go on until this moment, or until the
    /// call is cut; the call ends with it.
    pub(crate) fn outlive(&self, call: Call, deadline: Instant) {
        self.end_by(deadline, Some(call));
    }

    fn end_by(&self, deadline: Instant, mut call: Option<Call>) {
        let waker = {
            let mut end = self.end();
            end.deadline = Some(end.deadline.map_or(deadline, |held| held.min(deadline)));
            if !end.is_over {
                end.call = call.take();
            }
            end.waker.take()
        };
        if let Some(mut call) = call {
            call.finish(None);
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn end(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, waiting: bool) {
        let passed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(passed, Ordering::Release);
        self.waiting.store(waiting, Ordering::Release);
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let call = {
            let mut end = self.state.end();
            end.is_over = true;
            end.call.take()
        };
        if let Some(mut call) = call {
            let reason = call.cut_reason();
            call.finish(reason);
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.poll_over(cx).is_ready() {
            return self.fail(UploadFailure::Broken);
        }
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
                        match (frame.into_trailers(), &self.trailers) {
                            (Ok(trailers), Some(rules)) => {
                                let Some(trailers) = rules.clean(trailers) else {
                                    return self.fail(UploadFailure::Broken);
                                };
                                self.connection.body_read();
                                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                            }
                            // Headers that came too late to be looked at.
                            _ => continue,
                        }
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

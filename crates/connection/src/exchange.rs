//! A request and its answer, as the connection below them has to know them.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use caracal_core::ClientAddress;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::alarm::Alarm;
use crate::{Arrival, Limits};

/// What a request leaves for the connection to know. Over HTTP/1 there is one request at a time,
/// and all of a connection share one; over HTTP/2 each has its own.
#[derive(Debug)]
pub struct Exchange {
    /// The body of the current request has not been read to its end.
    unread: AtomicBool,
    /// An early end must be a reset, since nothing else tells the client (HTTP/1.0).
    reset: AtomicBool,
    ended: OnceLock<&'static str>,
    on_this_machine: bool,
    slow_timeout: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: ClientAddress,
    watched: Option<Watched>,
    pace: Pace,
    alarm: Alarm,
    waker: Option<Waker>,
}

/// What the client has to do for things to go on.
#[derive(Debug, Default)]
struct Pace {
    /// Since when it has not taken what it was given of the answer.
    unread_since: Option<Instant>,
    /// Since when the next bytes of its body are waited for.
    owes_since: Option<Instant>,
    /// How long they were waited for before, and how many came since that is counted.
    waited: Duration,
    came: u64,
    /// The answer has begun: the rest of the body is no longer waited for.
    is_answered: bool,
}

/// An answer under way that has to end in time, whether or not anything moves.
#[derive(Debug)]
struct Watched {
    cut: CancellationToken,
    deadline: Instant,
    waits: Option<Waits>,
}

type Waits = (Pin<Box<WaitForCancellationFutureOwned>>, Pin<Box<Sleep>>);

impl Exchange {
    pub(crate) fn new(arrival: Arrival, limits: &Limits) -> Self {
        Self {
            unread: AtomicBool::new(false),
            reset: AtomicBool::new(false),
            ended: OnceLock::new(),
            on_this_machine: arrival.remote.is_none() || arrival.is_loopback(),
            slow_timeout: limits.slow_timeout,
            inner: Mutex::new(Inner {
                client: arrival.peer(),
                watched: None,
                pace: Pace::default(),
                alarm: Alarm::default(),
                waker: None,
            }),
        }
    }

    /// Notes a new request.
    pub(crate) fn begin(&self, client: ClientAddress, has_body: bool, is_http10: bool) {
        self.unread.store(has_body, Ordering::Release);
        self.reset.store(is_http10, Ordering::Release);
        let mut inner = self.inner();
        inner.client = client;
        inner.watched = None;
        inner.pace = Pace::default();
    }

    /// Where the current request comes from.
    pub fn client(&self) -> ClientAddress {
        self.inner().client
    }

    /// True when both ends of the connection are on this machine, as the kernel tells. A proxy on
    /// this machine may speak for somebody elsewhere.
    pub fn is_on_this_machine(&self) -> bool {
        self.on_this_machine
    }

    /// Notes that the body of the request was read to its end.
    pub fn body_read(&self) {
        self.unread.store(false, Ordering::Release);
        self.inner().pace.owes_since = None;
    }

    /// True while the body of the request has not been read to its end.
    pub fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Acquire)
    }

    /// Notes that the next bytes of the request's body are waited for.
    pub fn body_waits(&self) {
        let mut inner = self.inner();
        if inner.pace.is_answered || inner.pace.owes_since.is_some() {
            return;
        }
        inner.pace.owes_since = Some(Instant::now());
        // Whoever asks for the body need not be whoever watches over the connection.
        if !inner.alarm.is_set()
            && let Some(waker) = inner.waker.take()
        {
            drop(inner);
            waker.wake();
        }
    }

    /// Notes that bytes of the request's body came.
    pub fn body_came(&self, bytes: usize) {
        let pace = &mut self.inner().pace;
        let waited = pace.owes_since.take().map(|since| since.elapsed());
        pace.waited += waited.unwrap_or_default();
        pace.came = pace.came.saturating_add(bytes as u64);
        if pace.came >= Limits::OWED_BYTES {
            (pace.waited, pace.came) = (Duration::ZERO, 0);
        }
    }

    /// Notes that the answer began.
    pub(crate) fn answer_begins(&self) {
        let pace = &mut self.inner().pace;
        pace.is_answered = true;
        pace.owes_since = None;
    }

    /// Notes that a piece of the answer was given to the connection.
    pub(crate) fn answer_given(&self) {
        self.inner().pace.unread_since = Some(Instant::now());
    }

    /// Notes that the connection has room for more, or will get no more.
    pub(crate) fn answer_taken(&self) {
        self.inner().pace.unread_since = None;
    }

    /// Why we ended the exchange, if we did.
    pub fn ended(&self) -> Option<&'static str> {
        self.ended.get().copied()
    }

    pub(crate) fn end(&self, reason: &'static str) {
        // The first reason counts.
        let _ = self.ended.set(reason);
    }

    pub(crate) fn ends_as_reset(&self) -> bool {
        self.reset.load(Ordering::Acquire)
    }

    /// Ends the exchange when `cut` fires or `deadline` passes, even if the client does not
    /// read and the body is therefore not asked for anything.
    pub fn watch(&self, cut: CancellationToken, deadline: Instant) {
        self.inner().watched = Some(Watched {
            cut,
            deadline,
            waits: None,
        });
    }

    /// Lets the exchange go on as long as it likes.
    pub fn unwatch(&self) {
        self.inner().watched = None;
    }

    /// Ready with the reason once the exchange must end now.
    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<&'static str> {
        let mut inner = self.inner();
        if let Some(watched) = &mut inner.watched
            && let Poll::Ready(reason) = watched.poll(cx)
        {
            return Poll::Ready(reason);
        }
        inner.poll_pace(self.slow_timeout, cx)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<&'static str> {
        let Self {
            cut,
            deadline,
            waits,
        } = self;
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
}

impl Inner {
    fn poll_pace(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<&'static str> {
        if let Some(due) = self.pace.due(limit) {
            return self.alarm.poll(due, cx).map(|()| "client_too_slow");
        }
        // A body may begin to be waited for elsewhere; the alarm is then set from here.
        if !self.pace.is_answered {
            let is_known = self.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker()));
            if !is_known {
                self.waker = Some(cx.waker().clone());
            }
        }
        Poll::Pending
    }
}

impl Pace {
    /// When the client will have been too slow.
    fn due(&self, limit: Duration) -> Option<Instant> {
        let answer = self.unread_since.and_then(|since| since.checked_add(limit));
        let left = limit.saturating_sub(self.waited);
        let body = self.owes_since.and_then(|since| since.checked_add(left));
        match (answer, body) {
            (Some(answer), Some(body)) => Some(answer.min(body)),
            (answer, body) => answer.or(body),
        }
    }
}

//! What a connection is doing, and how long it may go on with it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::Limits;
use crate::alarm::Alarm;

/// How many requests of a connection may be taken back before their answer, within a window.
const TAKEN_BACK: u32 = 200;
const WINDOW: Duration = Duration::from_secs(30);
/// How often it is looked whether requests have ended that others answer.
const LOOK: Duration = Duration::from_secs(1);

/// What a connection is doing.
#[derive(Debug)]
pub(crate) struct Activity {
    head_timeout: Duration,
    idle_timeout: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    running: u32,
    /// Those of them whose answer has not begun.
    unanswered: u32,
    /// A head has begun to come, and is not complete.
    in_head: bool,
    since: Instant,
    window: Instant,
    taken_back: u32,
}

impl Activity {
    /// A new connection; `in_head` if the first bytes that come belong to a head.
    pub(crate) fn new(limits: &Limits, in_head: bool) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            head_timeout: limits.head_timeout,
            idle_timeout: limits.idle_timeout,
            state: Mutex::new(State {
                running: 0,
                unanswered: 0,
                in_head,
                since: now,
                window: now,
                taken_back: 0,
            }),
        })
    }

    /// Notes a request; it runs until the guard is dropped.
    pub(crate) fn request(self: &Arc<Self>) -> Busy {
        let mut state = self.state();
        state.running += 1;
        state.unanswered += 1;
        state.in_head = false;
        Busy {
            activity: Arc::clone(self),
            is_answered: false,
        }
    }

    /// True while an answer has not begun.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.state().unanswered > 0
    }

    /// True when the client takes back more than it may.
    pub(crate) fn is_flood(&self) -> bool {
        self.state().taken_back > TAKEN_BACK
    }

    /// Ready once nothing has been under way for so long, counted from `from` at the earliest.
    pub(crate) fn poll_quiet(
        &self,
        from: Instant,
        length: Duration,
        alarm: &mut Alarm,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let (is_busy, since) = {
            let state = self.state();
            (state.running > 0, state.since)
        };
        let due = match is_busy {
            true => Instant::now().checked_add(length.max(LOOK)),
            false => from.max(since).checked_add(length),
        };
        due.map_or(Poll::Pending, |due| alarm.poll(due, cx))
    }

    fn bytes_came(&self) {
        let mut state = self.state();
        if state.running == 0 && !state.in_head {
            state.in_head = true;
            state.since = Instant::now();
        }
    }

    /// Ready with the reason once the connection must end.
    pub(crate) fn poll_end(&self, alarm: &mut Alarm, cx: &mut Context<'_>) -> Poll<&'static str> {
        let (due, reason) = {
            let state = self.state();
            let (limit, reason) = match state.in_head {
                true => (self.head_timeout, "head_timeout"),
                false => (self.idle_timeout, "idle_timeout"),
            };
            match state.since.checked_add(limit) {
                Some(due) if state.running == 0 => (due, reason),
                _ => return Poll::Pending,
            }
        };
        alarm.poll(due, cx).map(|()| reason)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Busy {
    activity: Arc<Activity>,
    is_answered: bool,
}

impl Busy {
    pub(crate) fn answered(&mut self) {
        if !self.is_answered {
            self.is_answered = true;
            let mut state = self.activity.state();
            state.unanswered = state.unanswered.saturating_sub(1);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.activity.state();
        state.running = state.running.saturating_sub(1);
        if state.running == 0 {
            state.since = now;
        }
        if !self.is_answered {
            state.unanswered = state.unanswered.saturating_sub(1);
            if now.duration_since(state.window) > WINDOW {
                (state.window, state.taken_back) = (now, 0);
            }
            state.taken_back += 1;
        }
    }
}

/// A stream that tells when bytes come.
pub(crate) struct Noted<T> {
    pub(crate) stream: T,
    pub(crate) activity: Arc<Activity>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Noted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.bytes_came();
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Noted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

//! How many requests a connection takes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::place::Place;
use crate::link::Stalled;

/// How long a connection takes new requests. After that the name is resolved and its
/// addresses are checked again.
const MAX_AGE: Duration = Duration::from_secs(600);

/// The streams of one connection: what the peer allows, and what is taken.
#[derive(Debug)]
pub(crate) struct Room {
    /// None before the peer's settings are there.
    limit: AtomicUsize,
    taken: AtomicUsize,
    /// How many requests went over the connection.
    served: AtomicU64,
    is_retired: AtomicBool,
    stalled: Stalled,
    opened: Instant,
    pub(super) remote: Option<SocketAddr>,
    /// The origin's: told when a place becomes free.
    changed: Arc<Notify>,
    /// Told when something happened on the connection.
    pub(super) nudge: Notify,
}

impl Room {
    pub(super) fn new(remote: Option<SocketAddr>, stalled: Stalled, changed: Arc<Notify>) -> Self {
        Self {
            limit: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            served: AtomicU64::new(0),
            is_retired: AtomicBool::new(false),
            stalled,
            opened: Instant::now(),
            remote,
            changed,
            nudge: Notify::new(),
        }
    }

    /// A place, if one is free. Asked for under the lock of the pool only, so that no place is
    /// given twice.
    pub(super) fn find_place(self: &Arc<Self>) -> Option<Place> {
        if !self.is_free() {
            return None;
        }
        self.taken.fetch_add(1, Ordering::AcqRel);
        self.served.fetch_add(1, Ordering::Relaxed);
        Some(Place::new(Arc::clone(self)))
    }

    pub(super) fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
        self.changed.notify_one();
    }

    /// True if a request that is handed over now goes out at once.
    pub(super) fn is_free(&self) -> bool {
        self.taken.load(Ordering::Acquire) < self.limit.load(Ordering::Acquire)
            && !self.stalled.get()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.taken.load(Ordering::Acquire) == 0
    }

    pub(super) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// Notes how many streams the peer allows now.
    pub(super) fn note_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Release);
        if self.is_free() {
            self.changed.notify_one();
        }
    }

    /// True once the peer has said how many streams it allows, and allows one.
    pub(super) fn is_settled(&self) -> bool {
        self.limit.load(Ordering::Acquire) > 0
    }

    /// Takes the connection out of use for new requests.
    pub(super) fn retire(&self, why: &'static str) {
        if !self.is_retired.swap(true, Ordering::AcqRel) {
            metrics::counter!("caracal_egress_connections_retired_total", "why" => why)
                .increment(1);
            self.nudge.notify_one();
        }
    }

    pub(super) fn takes_more(&self) -> bool {
        if self.opened.elapsed() > MAX_AGE {
            self.retire("age");
        }
        !self.is_retired.load(Ordering::Acquire)
    }
}

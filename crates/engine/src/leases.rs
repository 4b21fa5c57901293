//! When each session was last heard of. A heartbeat is not a commit: what is here is forgotten
//! with the process, and a new one counts from its own start.

use caracal_core::{Session, SessionId};
use jiff::{SignedDuration, Timestamp};

/// The last heartbeats of a zone's sessions.
pub(crate) struct Leases {
    started: Timestamp,
    beats: papaya::HashMap<SessionId, Timestamp>,
}

impl Leases {
    /// Leases of a process that started now.
    pub(crate) fn new(started: Timestamp) -> Self {
        Self {
            started,
            beats: papaya::HashMap::new(),
        }
    }

    pub(crate) fn beat(&self, session: SessionId, now: Timestamp) {
        self.beats.pin().insert(session, now);
    }

    pub(crate) fn forget(&self, session: SessionId) {
        self.beats.pin().remove(&session);
    }

    /// How many are remembered.
    pub(crate) fn len(&self) -> usize {
        self.beats.len()
    }

    /// True when a session that needs heartbeats had none for too long.
    pub(crate) fn has_lapsed(&self, session: &Session, now: Timestamp) -> bool {
        self.deadline(session).is_some_and(|end| now >= end)
    }

    /// Until when the next heartbeat must come.
    pub(crate) fn deadline(&self, session: &Session) -> Option<Timestamp> {
        let seconds = session.heartbeat_seconds?;
        let heard = self.beats.pin().get(&session.id).copied();
        let since = heard
            .unwrap_or(session.created_at)
            .max(session.created_at)
            .max(self.started);
        since
            .checked_add(SignedDuration::from_secs(seconds.into()))
            .ok()
    }
}

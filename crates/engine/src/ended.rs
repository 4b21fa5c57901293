//! What a commit ends, gathered so that the live calls are looked at once.

use std::collections::HashSet;

use caracal_core::{
    Anchor, EventType, KeyId, Kind, Revocation, RevocationId, SessionId, SessionStatus,
};
use caracal_store::{CommitRecord, Write};

use crate::follow::anchor_of;
use crate::view::ZoneView;

/// What a commit ends.
#[derive(Default)]
pub(crate) struct Ended {
    /// What was revoked, is gone, or is suspended.
    anchors: HashSet<Anchor>,
    /// The anchors that are gone.
    pub(crate) gone: Vec<Anchor>,
    /// The revocations with their anchors.
    pub(crate) revocations: Vec<(RevocationId, Anchor)>,
    /// The sessions that are suspended.
    suspended: HashSet<SessionId>,
    /// The sessions that may have another holder.
    held: HashSet<SessionId>,
    /// The keys that were dropped: those that are forgotten in their time end no call.
    pub(crate) keys: HashSet<KeyId>,
}

impl Ended {
    /// What a commit ends, seen from the view that it has made.
    pub(crate) fn by(record: &CommitRecord, view: &ZoneView) -> Self {
        let mut ended = Self::default();
        let dropped = |event: &&caracal_core::Event| event.event_type == EventType::KeyDropped;
        let dropped = record.events.iter().filter(dropped);
        ended.keys = dropped
            .filter_map(|event| event.target.as_deref()?.parse().ok())
            .collect();
        for write in &record.writes {
            match write {
                Write::Delete { kind, id, .. } => ended.gone.extend(anchor_of(*kind, *id)),
                Write::Put(document) if document.kind == Kind::Session => {
                    ended.add_session(SessionId::from_uuid(document.id), view);
                }
                Write::Put(document) if document.kind == Kind::Revocation => {
                    let revocation = serde_json::from_str::<Revocation>(&document.body);
                    ended
                        .revocations
                        .extend(revocation.map(|revocation| (revocation.id, revocation.anchor)));
                }
                Write::Put(_) => {}
            }
        }
        let revoked = ended.revocations.iter().map(|(_, anchor)| *anchor);
        ended.anchors = revoked.chain(ended.gone.iter().copied()).collect();
        ended
    }

    /// It may have been suspended, or have another holder; a new one was neither.
    fn add_session(&mut self, id: SessionId, view: &ZoneView) {
        let Some(held) = view.sessions.find(id) else {
            return;
        };
        if held.value.status == SessionStatus::Suspended {
            self.suspended.insert(id);
        }
        if held.value.generation > 1 {
            self.held.insert(id);
        }
    }

    /// True when no call can be ended by it.
    pub(crate) fn is_empty(&self) -> bool {
        self.anchors.is_empty()
            && self.suspended.is_empty()
            && self.held.is_empty()
            && self.keys.is_empty()
    }

    pub(crate) fn has(&self, anchor: Anchor) -> bool {
        self.anchors.contains(&anchor)
    }

    pub(crate) fn suspends(&self, anchor: Anchor) -> bool {
        matches!(anchor, Anchor::Session(id) if self.suspended.contains(&id))
    }

    pub(crate) fn may_fence(&self, session: SessionId) -> bool {
        self.held.contains(&session)
    }
}

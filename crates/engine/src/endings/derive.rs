//! What a commit ends.

use caracal_core::{Anchor, EventType, KeyId, Kind, Revocation, Session, SessionId, SessionStatus};
use caracal_store::{CommitRecord, Write};

use super::{Ending, EndingKind};
use crate::follow::anchor_of;
use crate::view::ZoneView;

/// What a commit on `before` ends, or gives back.
pub(crate) fn endings_of(before: &ZoneView, record: &CommitRecord) -> Vec<Ending> {
    let mut endings = Vec::new();
    let revision = record.position.revision;
    let add = |endings: &mut Vec<Ending>, kind, anchor, through| {
        endings.push(Ending {
            kind,
            anchor: Some(anchor),
            key: None,
            revision,
            through,
            generation: None,
        });
    };
    for write in &record.writes {
        match write {
            Write::Delete { kind, id, .. } => {
                if let Some(anchor) = anchor_of(*kind, *id) {
                    add(&mut endings, EndingKind::Ended, anchor, None);
                }
            }
            Write::Put(document) if document.kind == Kind::Revocation => {
                if let Ok(revocation) = serde_json::from_str::<Revocation>(&document.body) {
                    let (kind, through) = of_revocation(&revocation);
                    add(&mut endings, kind, revocation.anchor, through);
                }
            }
            Write::Put(document) if document.kind == Kind::Session => {
                let id = SessionId::from_uuid(document.id);
                // A new session ends nothing.
                let Some(held) = before.sessions.find(id) else {
                    continue;
                };
                let Ok(session) = serde_json::from_str::<Session>(&document.body) else {
                    continue;
                };
                if session.status != held.value.status {
                    let kind = match session.status {
                        SessionStatus::Suspended => EndingKind::Suspended,
                        SessionStatus::Active => EndingKind::Resumed,
                    };
                    add(&mut endings, kind, Anchor::Session(id), None);
                }
                if session.generation != held.value.generation {
                    endings.push(Ending::fenced(&session, revision, before.position.revision));
                }
            }
            Write::Put(_) => {}
        }
    }
    // A key that is forgotten in its time ends nothing: only a dropped one does.
    let dropped = record
        .events
        .iter()
        .filter(|event| event.event_type == EventType::KeyDropped)
        .filter_map(|event| event.target.as_deref()?.parse::<KeyId>().ok());
    endings.extend(dropped.map(|key| Ending {
        kind: EndingKind::KeyDropped,
        anchor: None,
        key: Some(key),
        revision,
        through: None,
        generation: None,
    }));
    endings
}

pub(super) fn of_revocation(
    revocation: &Revocation,
) -> (EndingKind, Option<caracal_core::Revision>) {
    match revocation.lifted_after {
        Some(through) => (EndingKind::Lifted, Some(through)),
        None => (EndingKind::Revoked, None),
    }
}

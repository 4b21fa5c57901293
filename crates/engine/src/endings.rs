//! What has ended lately, for services that verify mandates themselves.

mod derive;
mod feed;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use caracal_core::{Anchor, KeyId, Revision, Session};
use serde::Serialize;

pub(crate) use derive::endings_of;
pub use feed::{ENDINGS_HEARTBEAT, EndingsBatch, EndingsFeed, FeedEnd};

/// How many endings a zone remembers for those that come back.
const REMEMBERED: usize = 8192;

/// What happened to an anchor or a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndingKind {
    /// It was revoked: what was issued on it is dead, and nothing new is issued.
    Revoked,
    /// Its revocation was lifted: what was decided up to `through` stays dead.
    Lifted,
    /// It is gone, for good.
    Ended,
    /// A session may not be used until it is resumed.
    Suspended,
    /// A session may be used again.
    Resumed,
    /// A session has a new holder: what was decided up to `through` is dead.
    Fenced,
    /// A key was dropped: what it signed is dead.
    KeyDropped,
}

impl EndingKind {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Lifted => "lifted",
            Self::Ended => "ended",
            Self::Suspended => "suspended",
            Self::Resumed => "resumed",
            Self::Fenced => "fenced",
            Self::KeyDropped => "key_dropped",
        }
    }
}

/// One thing that changes which mandates are good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ending {
    /// What happened.
    #[serde(skip)]
    pub kind: EndingKind,
    /// What it happened to; none: a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Anchor>,
    /// The `kid` of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// The revision of the commit that did it; in a snapshot, that of the snapshot.
    pub revision: Revision,
    /// Up to which revision mandates are dead; none: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub through: Option<Revision>,
    /// The new holder of the session: mandates whose `gen` is lower are dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

impl Ending {
    /// A session has another holder: what was decided for it through a revision is dead.
    pub(crate) fn fenced(session: &Session, revision: Revision, through: Revision) -> Self {
        Self {
            kind: EndingKind::Fenced,
            anchor: Some(Anchor::Session(session.id)),
            key: None,
            revision,
            through: Some(through),
            generation: Some(session.generation),
        }
    }
}

/// The endings of a zone's latest commits, shared by all who follow them.
pub(crate) struct RecentEndings(Mutex<Ring>);

struct Ring {
    endings: VecDeque<Ending>,
    /// Everything after this revision is still here.
    complete_after: Revision,
}

/// The asked revision is older than what is remembered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Forgotten;

impl RecentEndings {
    pub(crate) fn since(revision: Revision) -> Self {
        Self(Mutex::new(Ring {
            endings: VecDeque::new(),
            complete_after: revision,
        }))
    }

    /// Adds what a commit ended. It must come before the view of the commit is published.
    pub(crate) fn add(&self, endings: Vec<Ending>) {
        if endings.is_empty() {
            return;
        }
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.endings.extend(endings);
        while ring.endings.len() > REMEMBERED {
            if let Some(oldest) = ring.endings.pop_front() {
                ring.complete_after = oldest.revision;
            }
        }
    }

    /// What ended after one revision and up to another.
    pub(crate) fn between(
        &self,
        after: Revision,
        through: Revision,
    ) -> Result<Vec<Ending>, Forgotten> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if after < ring.complete_after {
            return Err(Forgotten);
        }
        let first = ring.endings.partition_point(|e| e.revision <= after);
        let later = ring.endings.range(first..);
        Ok(later
            .take_while(|e| e.revision <= through)
            .cloned()
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use caracal_core::MandateId;
    use uuid::Uuid;

    use super::*;

    fn ending(revision: u64) -> Ending {
        let id = MandateId::from_uuid(Uuid::from_u128(u128::from(revision)));
        Ending {
            kind: EndingKind::Revoked,
            anchor: Some(Anchor::Mandate(id)),
            key: None,
            revision: Revision(revision),
            through: None,
            generation: None,
        }
    }

    #[test]
    fn what_is_asked_for_is_complete_or_forgotten() {
        let recent = RecentEndings::since(Revision(10));
        recent.add(vec![ending(11), ending(11)]);
        recent.add(vec![ending(13)]);
        let found = |after, through| {
            let found = recent.between(Revision(after), Revision(through));
            found.map(|all| all.iter().map(|e| e.revision.0).collect::<Vec<_>>())
        };
        assert_eq!(found(9, 13), Err(Forgotten));
        assert_eq!(found(10, 12), Ok(vec![11, 11]));
        assert_eq!(found(10, 13), Ok(vec![11, 11, 13]));
        assert_eq!(found(11, 13), Ok(vec![13]));
        assert_eq!(found(13, 20), Ok(vec![]));
    }

    #[test]
    fn memory_is_bounded_and_half_a_commit_is_never_told() {
        let recent = RecentEndings::since(Revision(0));
        recent.add(vec![ending(1), ending(1)]);
        let most = u64::try_from(REMEMBERED).unwrap();
        // One of the two endings of the first commit has to go.
        recent.add((2..=most).map(ending).collect());
        assert_eq!(
            recent.between(Revision(0), Revision(most)),
            Err(Forgotten),
            "half of the first commit is gone"
        );
        let all = recent.between(Revision(1), Revision(most)).unwrap();
        assert_eq!(all.len(), REMEMBERED - 1);
        assert_eq!(recent.0.lock().unwrap().endings.len(), REMEMBERED);
    }
}

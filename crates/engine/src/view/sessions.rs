//! The sessions of a zone.

use std::ops::Bound;
use std::sync::Arc;

use caracal_core::{ApplicationId, Session, SessionId};
use jiff::Timestamp;
use uuid::Uuid;

use super::Stored;
use super::counts::Counts;

/// Sessions by id, with their children, in the order of their end.
#[derive(Clone, Default)]
pub(crate) struct Sessions {
    by_id: imbl::OrdMap<Uuid, Arc<Stored<Session>>>,
    children: imbl::HashMap<Uuid, imbl::OrdSet<Uuid>>,
    by_expiry: imbl::OrdSet<(Timestamp, Uuid)>,
    /// Those that end without a heartbeat.
    beating: imbl::OrdSet<Uuid>,
    of_application: Counts,
}

impl Sessions {
    pub(crate) fn find(&self, id: SessionId) -> Option<&Arc<Stored<Session>>> {
        self.by_id.get(&id.uuid())
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// How many an application has.
    pub(crate) fn count_of(&self, application: ApplicationId) -> usize {
        self.of_application.of(application)
    }

    /// The ids of the sessions directly below one, in order.
    pub(crate) fn children_of(&self, id: SessionId) -> impl Iterator<Item = SessionId> {
        let children = self.children.get(&id.uuid());
        children
            .into_iter()
            .flatten()
            .copied()
            .map(SessionId::from_uuid)
    }

    pub(crate) fn count_children(&self, id: SessionId) -> usize {
        self.children.get(&id.uuid()).map_or(0, imbl::OrdSet::len)
    }

    /// The sessions that end first, first.
    pub(crate) fn by_expiry(&self) -> impl Iterator<Item = &Arc<Stored<Session>>> {
        self.by_expiry
            .iter()
            .filter_map(|(_, id)| self.by_id.get(id))
    }

    /// Every session, in the order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Stored<Session>>> {
        self.by_id.values()
    }

    /// The sessions that end without a heartbeat.
    pub(crate) fn beating(&self) -> impl Iterator<Item = &Arc<Stored<Session>>> {
        self.beating.iter().filter_map(|id| self.by_id.get(id))
    }

    /// The sessions after one, in the order of their ids, which is about that of their opening.
    pub(crate) fn iter_after(
        &self,
        after: Option<SessionId>,
    ) -> impl Iterator<Item = &Arc<Stored<Session>>> {
        let start = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.uuid()));
        let rest = self.by_id.range((start, Bound::Unbounded));
        rest.map(|(_, held)| held)
    }

    pub(crate) fn insert(&mut self, stored: Stored<Session>) {
        let id = stored.value.id.uuid();
        self.remove(id);
        let session = &stored.value;
        self.by_expiry.insert((session.expires_at, id));
        self.of_application.add(session.application);
        if let Some(parent) = session.parent {
            self.children.entry(parent.uuid()).or_default().insert(id);
        }
        if session.heartbeat_seconds.is_some() {
            self.beating.insert(id);
        }
        self.by_id.insert(id, Arc::new(stored));
    }

    pub(crate) fn remove(&mut self, id: Uuid) {
        let Some(held) = self.by_id.remove(&id) else {
            return;
        };
        self.by_expiry.remove(&(held.value.expires_at, id));
        self.beating.remove(&id);
        self.of_application.remove(held.value.application);
        let Some(parent) = held.value.parent else {
            return;
        };
        if let Some(children) = self.children.get_mut(&parent.uuid()) {
            children.remove(&id);
            if children.is_empty() {
                self.children.remove(&parent.uuid());
            }
        }
    }
}

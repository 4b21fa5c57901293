//! The delegations of a zone.

use std::ops::Bound;
use std::sync::Arc;

use caracal_core::{ApplicationId, Delegation, DelegationId, SessionId};
use jiff::Timestamp;
use uuid::Uuid;

use super::Stored;
use super::counts::Counts;

/// Delegations by id, by who lends and by who may use them, in the order of their end.
#[derive(Clone, Default)]
pub(crate) struct Delegations {
    by_id: imbl::OrdMap<Uuid, Arc<Stored<Delegation>>>,
    /// By the session that lends.
    from: imbl::HashMap<Uuid, imbl::OrdSet<Uuid>>,
    /// By the session that may use them.
    into: imbl::HashMap<Uuid, imbl::OrdSet<Uuid>>,
    /// By the delegation that they were lent on by.
    via: imbl::HashMap<Uuid, imbl::OrdSet<Uuid>>,
    by_expiry: imbl::OrdSet<(Timestamp, Uuid)>,
    /// By the application that lends.
    of_application: Counts,
}

impl Delegations {
    pub(crate) fn find(&self, id: DelegationId) -> Option<&Arc<Stored<Delegation>>> {
        self.by_id.get(&id.uuid())
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Stored<Delegation>>> {
        self.by_id.values()
    }

    /// What a session lends.
    pub(crate) fn lent_by(
        &self,
        session: SessionId,
    ) -> impl Iterator<Item = &Arc<Stored<Delegation>>> {
        let ids = self.from.get(&session.uuid());
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.by_id.get(id))
    }

    /// What was lent on by a delegation.
    pub(crate) fn lent_via(
        &self,
        delegation: DelegationId,
    ) -> impl Iterator<Item = &Arc<Stored<Delegation>>> {
        let ids = self.via.get(&delegation.uuid());
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.by_id.get(id))
    }

    /// How many an application lends.
    pub(crate) fn count_of_application(&self, application: ApplicationId) -> usize {
        self.of_application.of(application)
    }

    pub(crate) fn count_of(&self, session: SessionId) -> usize {
        self.from.get(&session.uuid()).map_or(0, imbl::OrdSet::len)
    }

    /// What a session may use.
    pub(crate) fn borrowed_by(
        &self,
        session: SessionId,
    ) -> impl Iterator<Item = &Arc<Stored<Delegation>>> {
        let ids = self.into.get(&session.uuid());
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.by_id.get(id))
    }

    pub(crate) fn count_into(&self, session: SessionId) -> usize {
        self.into.get(&session.uuid()).map_or(0, imbl::OrdSet::len)
    }

    /// The delegations that end first, first.
    pub(crate) fn by_expiry(&self) -> impl Iterator<Item = &Arc<Stored<Delegation>>> {
        self.by_expiry
            .iter()
            .filter_map(|(_, id)| self.by_id.get(id))
    }

    /// The delegations after one, in the order of their ids, which is about that of their creation.
    pub(crate) fn iter_after(
        &self,
        after: Option<DelegationId>,
    ) -> impl Iterator<Item = &Arc<Stored<Delegation>>> {
        let start = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.uuid()));
        let rest = self.by_id.range((start, Bound::Unbounded));
        rest.map(|(_, held)| held)
    }

    pub(crate) fn insert(&mut self, stored: Stored<Delegation>) {
        let id = stored.value.id.uuid();
        self.remove(id);
        let delegation = &stored.value;
        self.by_expiry.insert((delegation.expires_at, id));
        self.of_application.add(delegation.from_application);
        self.from
            .entry(delegation.from.uuid())
            .or_default()
            .insert(id);
        if let Some(receiver) = delegation.receiver {
            self.into.entry(receiver.uuid()).or_default().insert(id);
        }
        if let Some(via) = delegation.via {
            self.via.entry(via.uuid()).or_default().insert(id);
        }
        self.by_id.insert(id, Arc::new(stored));
    }

    pub(crate) fn remove(&mut self, id: Uuid) {
        let Some(held) = self.by_id.remove(&id) else {
            return;
        };
        let delegation = &held.value;
        self.by_expiry.remove(&(delegation.expires_at, id));
        self.of_application.remove(delegation.from_application);
        forget(&mut self.from, delegation.from.uuid(), id);
        if let Some(receiver) = delegation.receiver {
            forget(&mut self.into, receiver.uuid(), id);
        }
        if let Some(via) = delegation.via {
            forget(&mut self.via, via.uuid(), id);
        }
    }
}

fn forget(index: &mut imbl::HashMap<Uuid, imbl::OrdSet<Uuid>>, key: Uuid, id: Uuid) {
    if let Some(ids) = index.get_mut(&key) {
        ids.remove(&id);
        if ids.is_empty() {
            index.remove(&key);
        }
    }
}

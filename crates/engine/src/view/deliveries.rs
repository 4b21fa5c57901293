//! The delivery log of a zone.

use std::ops::Bound;
use std::sync::Arc;

use caracal_core::{Delivery, DeliveryId};
use jiff::Timestamp;
use uuid::Uuid;

use super::Stored;

/// Deliveries by id and by the time of their last attempt.
#[derive(Clone, Default)]
pub(crate) struct Deliveries {
    by_id: imbl::HashMap<Uuid, Arc<Stored<Delivery>>>,
    by_time: imbl::OrdSet<(Timestamp, Uuid)>,
}

impl Deliveries {
    pub(crate) fn find(&self, id: DeliveryId) -> Option<&Arc<Stored<Delivery>>> {
        self.by_id.get(&id.uuid())
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = &Arc<Stored<Delivery>>> {
        let ids = self.by_time.iter();
        ids.filter_map(|(_, id)| self.by_id.get(id))
    }

    /// The deliveries before one, the latest first.
    pub(crate) fn latest_first(
        &self,
        after: Option<(Timestamp, DeliveryId)>,
    ) -> impl Iterator<Item = &Arc<Stored<Delivery>>> {
        let end = after.map_or(Bound::Unbounded, |(at, id)| {
            Bound::Excluded((at, id.uuid()))
        });
        let ids = self.by_time.range((Bound::Unbounded, end)).rev();
        ids.filter_map(|(_, id)| self.by_id.get(id))
    }

    pub(crate) fn insert(&mut self, stored: Stored<Delivery>) {
        let id = stored.value.id.uuid();
        self.remove(id);
        self.by_time.insert((stored.value.at, id));
        self.by_id.insert(id, Arc::new(stored));
    }

    pub(crate) fn remove(&mut self, id: Uuid) {
        if let Some(held) = self.by_id.remove(&id) {
            self.by_time.remove(&(held.value.at, id));
        }
    }
}

//! What a use case wants to write.

use caracal_core::{Event, Kind, Name, Version, ZoneId};
use caracal_store::{Read, Write};
use serde::Serialize;
use uuid::Uuid;

use crate::AdminError;
use crate::view::{ZoneView, document};

/// Writes with their events and with everything they were decided on.
pub(crate) struct Change {
    zone: ZoneId,
    pub(crate) reads: Vec<Read>,
    pub(crate) writes: Vec<Write>,
    pub(crate) events: Vec<Event>,
}

impl Change {
    /// A change of configuration. It reads the zone's own document, which every change that
    /// takes something away also writes: so a policy cannot be activated while something that
    /// it names goes.
    pub(crate) fn of_configuration(view: &ZoneView) -> Self {
        let zone = view.zone.value.id;
        let read = Read {
            kind: Kind::Zone,
            id: zone.uuid(),
            version: view.zone_version(),
        };
        Self {
            zone,
            reads: vec![read],
            writes: Vec::new(),
            events: Vec::new(),
        }
    }

    /// A change that stands for itself, such as a revocation: nothing can make it wrong.
    pub(crate) fn standalone(zone: ZoneId) -> Self {
        Self {
            zone,
            reads: Vec::new(),
            writes: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Whether all it does is to end authority.
    pub(crate) fn only_revokes(&self) -> bool {
        let revokes = |write: &Write| matches!(write, Write::Put(document) if document.kind == Kind::Revocation);
        self.writes.iter().all(revokes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Creates (`held` is [`Version::ABSENT`]) or replaces an object.
    pub(crate) fn put<T: Serialize>(
        &mut self,
        kind: Kind,
        id: Uuid,
        name: Option<&Name>,
        held: Version,
        value: &T,
    ) -> Result<(), AdminError> {
        // The last write of an object in one change is the one that counts.
        self.writes.retain(|write| !is_of(write, kind, id));
        self.writes.push(Write::Put(document(
            self.zone,
            kind,
            id,
            name,
            held.next(),
            value,
        )?));
        Ok(())
    }

    pub(crate) fn delete(&mut self, kind: Kind, id: Uuid, held: Version) {
        self.writes.push(Write::Delete {
            kind,
            id,
            version: held,
        });
    }

    /// Writes the zone's own document again, so that changes which read it are ordered
    /// against this one.
    pub(crate) fn touch_zone(&mut self, view: &ZoneView) -> Result<(), AdminError> {
        let id = self.zone.uuid();
        if self.writes.iter().any(|write| is_of(write, Kind::Zone, id)) {
            return Ok(());
        }
        let zone = &view.zone.value;
        self.put(Kind::Zone, id, Some(&zone.name), view.zone_version(), zone)
    }
}

fn is_of(write: &Write, kind: Kind, id: Uuid) -> bool {
    match write {
        Write::Put(document) => document.kind == kind && document.id == id,
        Write::Delete {
            kind: held,
            id: own,
            ..
        } => *held == kind && *own == id,
    }
}

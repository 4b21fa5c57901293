//! How much room the disk has left, and who may use the last of it.

use std::sync::atomic::{AtomicU8, Ordering};

use caracal_core::{EventType, ZoneId};

use crate::{Admin, Engine, Operator};

/// How much room there is for evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Enough.
    Plenty,
    /// So little that somebody should make more; everything works.
    Low,
    /// Only the reserve: revoking and administering still work and leave evidence, new mandates
    /// and calls are refused.
    Reserve,
}

/// The room that was measured last; reading it costs one load.
#[derive(Debug)]
pub(crate) struct RoomGauge(AtomicU8);

impl RoomGauge {
    pub(crate) const fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    pub(crate) fn get(&self) -> Room {
        match self.0.load(Ordering::Relaxed) {
            0 => Room::Plenty,
            1 => Room::Low,
            _ => Room::Reserve,
        }
    }

    fn replace(&self, room: Room) -> Room {
        let before = self.get();
        self.0.store(room as u8, Ordering::Relaxed);
        before
    }
}

impl Engine {
    /// The room that was measured last.
    pub fn room(&self) -> Room {
        self.0.room.get()
    }

    /// Takes note of how much room there is. It holds at once; a change is recorded in the
    /// instance's log with this detail.
    pub async fn set_room(&self, room: Room, detail: &str) {
        let before = self.0.room.replace(room);
        if before == room {
            return;
        }
        let event_type = match room {
            Room::Plenty => EventType::DiskCleared,
            Room::Low => EventType::DiskLow,
            Room::Reserve => EventType::DiskReserved,
        };
        match room {
            Room::Plenty => tracing::info!(detail, "the disk has room again"),
            Room::Low if before == Room::Reserve => {
                tracing::warn!(
                    detail,
                    "mandates and calls are served again; the disk is still nearly full"
                );
            }
            Room::Low => tracing::warn!(detail, "the disk is nearly full"),
            Room::Reserve => tracing::error!(
                detail,
                "only the reserve for revoking and administering is left on the disk; mandates and calls are refused"
            ),
        }
        let admin = Admin::new(Operator::local(), self.new_request_id());
        let mut event = self.admin_event(ZoneId::INSTANCE, &admin, event_type);
        event.operator = None;
        event.reason = Some(detail.to_owned());
        if let Err(error) = self.record_instance(event).await {
            tracing::warn!(%error, "the change of room on the disk could not be recorded");
        }
    }
}

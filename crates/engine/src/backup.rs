//! Taking a backup: who may, and the evidence of it.

use caracal_core::{BackupId, EventType, Role, ZoneId};

use crate::{Admin, AdminError, Engine};

impl Engine {
    /// Whether the operator may take a backup, which holds every zone's sealed secrets.
    ///
    /// # Errors
    /// Needs the role owner in all zones.
    pub fn may_back_up(&self, admin: &Admin) -> Result<(), AdminError> {
        admin.operator.require_instance(Role::Owner)
    }

    /// Records in the instance's log that a backup is taken. Nothing of it leaves before this
    /// has returned.
    ///
    /// # Errors
    /// Needs the role owner in all zones; the ledger must be writable.
    pub async fn record_backup(&self, admin: &Admin, id: BackupId) -> Result<(), AdminError> {
        self.may_back_up(admin)?;
        let mut event = self.admin_event(ZoneId::INSTANCE, admin, EventType::BackupTaken);
        event.target = Some(id.to_string());
        self.record_instance(event).await
    }
}

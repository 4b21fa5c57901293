//! The master key: which one seals, what is still sealed under older ones, and a new one.

mod missing;
mod reseal;
mod seals;

use caracal_core::{EventType, Kind, MasterKeyRecord, Name, Role, ZoneId};
use caracal_crypto::Keyring;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use missing::MissingMasterKey;
pub(crate) use seals::seals_of;

use crate::change::Change;
use crate::view::ZoneView;
use crate::{Admin, AdminError, Engine};

/// How the instance's secrets are sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterKeyStatus {
    /// The public name of the key that seals.
    pub id: String,
    /// Where it comes from, in a few words.
    pub place: String,
    /// True when a running server can make a new one.
    pub can_rotate: bool,
    /// Since when it seals, as far as that is known.
    pub since: Option<Timestamp>,
    /// How many secrets are sealed.
    pub sealed: u64,
    /// How many of them are sealed under an older key.
    pub pending: u64,
    /// The zones in which some are, with how many.
    pub zones: Vec<(Name, u64)>,
    /// What is sealed under an older key and opens under none, in words. Known once nothing else
    /// is left to be sealed again.
    #[serde(default)]
    pub damaged: Vec<String>,
    /// The older keys that this process has.
    pub older: Vec<OlderMasterKey>,
    /// Since when nothing is sealed under another key, as far as that is known.
    pub settled_at: Option<Timestamp>,
}

/// A master key that only opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlderMasterKey {
    /// Its public name.
    pub id: String,
    /// How many secrets are sealed under it; at 0 it can be taken away.
    pub sealed: u64,
}

/// With more that are not sealed again yet, none is said to be damaged.
const MANY_PENDING: u64 = 1000;

impl Engine {
    /// Which master key seals, and what is sealed under older ones.
    ///
    /// # Errors
    /// Needs the role auditor in all zones.
    pub fn master_key_status(&self, admin: &Admin) -> Result<MasterKeyStatus, AdminError> {
        admin.operator.require_instance(Role::Auditor)?;
        Ok(self.describe_master_key())
    }

    fn describe_master_key(&self) -> MasterKeyStatus {
        let ring = self.keyring();
        let care = self.key_care();
        let record = self.master_key_record();
        let mut status = MasterKeyStatus {
            id: ring.current_id(),
            place: care
                .map(|care| care.master_key_place.clone())
                .unwrap_or_default(),
            can_rotate: care.is_some_and(|care| care.new_master_key.is_some()),
            since: None,
            sealed: 0,
            pending: 0,
            zones: Vec::new(),
            damaged: Vec::new(),
            older: ring
                .older_ids()
                .into_iter()
                .map(|id| OlderMasterKey { id, sealed: 0 })
                .collect(),
            settled_at: None,
        };
        if let Some(record) = record.filter(|record| record.id == status.id) {
            status.since = Some(record.since);
            status.settled_at = record.settled_at;
        }
        let handles: Vec<_> = self.0.zones.pin().values().cloned().collect();
        for handle in &handles {
            let view = handle.view();
            let mut pending = 0;
            for sealed in seals_of(&view) {
                status.sealed += 1;
                if ring.is_current(sealed) {
                    continue;
                }
                pending += 1;
                let under = Keyring::master_key_of(sealed);
                let under = under.as_ref();
                if let Some(older) = status.older.iter_mut().find(|key| Some(&key.id) == under) {
                    older.sealed += 1;
                }
            }
            if pending > 0 {
                status.pending += pending;
                status.zones.push((view.zone.value.name.clone(), pending));
            }
        }
        status.zones.sort();
        if status.pending > 0 {
            status.settled_at = None;
        }
        // While there are more they are being sealed again, and trying each is too much.
        if (1..=MANY_PENDING).contains(&status.pending) {
            let damaged = |view: &ZoneView| seals::damaged_in(view, &ring);
            status.damaged = handles
                .iter()
                .flat_map(|handle| damaged(&handle.view()))
                .collect();
            status.damaged.sort();
        }
        status
    }

    /// Makes a new master key while everything goes on: it seals from now on, and what is
    /// sealed under the old one is sealed again in the background.
    ///
    /// # Errors
    /// Needs the role owner in all zones; one rotation at a time; the process must be able to
    /// store the new key.
    pub async fn rotate_master_key(&self, admin: &Admin) -> Result<MasterKeyStatus, AdminError> {
        admin.operator.require_instance(Role::Owner)?;
        let _turn = self.0.master_key_turn.lock().await;
        if let Some(handle) = self.zone_handle(ZoneId::INSTANCE)
            && let Some(answer) = self.recall(&handle.view(), admin)?
        {
            return Ok(answer);
        }
        let status = self.describe_master_key();
        if !status.can_rotate {
            return Err(AdminError::MasterKeyElsewhere(status.place));
        }
        // What opens under no key waits for nothing. The keys under which it was sealed stay.
        let is_open = status.pending > count(&status.damaged);
        let is_unsettled = || {
            let record = self.master_key_record();
            status.pending == 0 && record.is_some_and(|record| record.settled_at.is_none())
        };
        if is_open || is_unsettled() {
            let why = format!(
                "the rotation before is not finished: {} secrets are still to be sealed again; \
                 see `caracal key status`",
                status.pending
            );
            return Err(AdminError::InUse(why));
        }
        if admin.dry_run {
            return Ok(status);
        }
        let failed = |why: String| AdminError::Unavailable { why, done: false };
        let engine = self.clone();
        let older = status.older.iter().filter(|key| key.sealed > 0);
        let needed: Vec<String> = older.map(|key| key.id.clone()).collect();
        // It writes files.
        let made = tokio::task::spawn_blocking(move || {
            let make = engine
                .key_care()
                .and_then(|care| care.new_master_key.as_ref());
            make.map_or_else(
                || Err("no new key can be made".to_owned()),
                |make| make(&needed),
            )
        });
        let next = made
            .await
            .map_err(|_| failed("the new master key could not be made".to_owned()))?
            .map_err(failed)?;
        let ring = self.keyring();
        // Both keys are stored by now: whatever is sealed from here on can be opened again.
        self.0
            .loader
            .keyring
            .store(std::sync::Arc::new(ring.rotated(next)));
        let recorded = self.record_master_key(admin).await;
        self.0.to_reseal.notify_one();
        recorded?;
        Ok(self.describe_master_key())
    }

    /// Notes in the instance's partition that the current key seals.
    pub(crate) async fn record_master_key(&self, admin: &Admin) -> Result<(), AdminError> {
        self.write(ZoneId::INSTANCE, admin, |view| {
            let record = self.new_master_key_record(false);
            let held = view.zone.value.master_key.as_ref();
            let mut change = Change::standalone(ZoneId::INSTANCE);
            if held.is_some_and(|held| held.id == record.id) {
                return Ok((change, self.describe_master_key()));
            }
            let before = held.map_or_else(String::new, |held| format!("`{}` before, ", held.id));
            let reason = format!("{before}`{}` from now on", record.id);
            self.put_master_key(
                view,
                admin,
                record,
                EventType::MasterKeyRotated,
                reason,
                &mut change,
            )?;
            Ok((change, self.describe_master_key()))
        })
        .await
        .map(drop)
    }

    pub(crate) fn put_master_key(
        &self,
        view: &ZoneView,
        admin: &Admin,
        record: MasterKeyRecord,
        event_type: EventType,
        reason: String,
        change: &mut Change,
    ) -> Result<(), AdminError> {
        let mut value = view.zone.value.clone();
        let mut event = self.admin_event(value.id, admin, event_type);
        event.target = Some(record.id.clone());
        event.reason = Some(reason);
        change.events.push(event);
        value.master_key = Some(record);
        let (id, name, held) = (value.id.uuid(), value.name.clone(), view.zone_version());
        change.put(Kind::Zone, id, Some(&name), held, &value)
    }

    /// The record of the current key, as of now.
    pub(crate) fn new_master_key_record(&self, is_settled: bool) -> MasterKeyRecord {
        let now = self.now();
        MasterKeyRecord {
            id: self.keyring().current_id(),
            since: now,
            settled_at: is_settled.then_some(now),
        }
    }

    pub(crate) fn master_key_record(&self) -> Option<MasterKeyRecord> {
        let handle = self.zone_handle(ZoneId::INSTANCE)?;
        handle.view().zone.value.master_key.clone()
    }
}

fn count(damaged: &[String]) -> u64 {
    u64::try_from(damaged.len()).unwrap_or(u64::MAX)
}

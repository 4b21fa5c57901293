//! Forgetting expired client secrets, and writing down now and then when secrets were used.

use std::collections::BTreeMap;
use std::sync::Arc;

use caracal_core::{Application, ApplicationId, EventType, Kind, Version, ZoneId};
use jiff::{SignedDuration, Timestamp};

use crate::change::Change;
use crate::view::{SecretUse, Stored, ZoneView};
use crate::zone_handle::ZoneHandle;
use crate::{Admin, AdminError, Engine, Operator};

/// What is written down is at most this old: one commit an hour and zone, not one a use.
const WRITE_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// The most applications of one commit.
const BATCH: usize = 200;

impl Engine {
    /// Forgets expired client secrets of a zone, and writes down which were used.
    pub(crate) async fn sweep_secrets(&self, zone: ZoneId) -> Result<(), AdminError> {
        let Some(handle) = self.zone_handle(zone) else {
            return Ok(());
        };
        let admin = Admin::new(Operator::sweeper(), self.new_request_id());
        self.write(zone, &admin, |view| {
            let now = self.now();
            let mut change = Change::standalone(zone);
            let expired = |held: &&Arc<Stored<Application>>| {
                held.value
                    .secrets
                    .iter()
                    .any(|secret| !secret.is_alive(now))
            };
            for held in view.applications.iter().filter(expired).take(BATCH) {
                let mut value = held.value.clone();
                value.secrets.retain(|secret| secret.is_alive(now));
                let id = value.id.uuid();
                change.put(
                    Kind::Application,
                    id,
                    Some(&value.name),
                    held.version,
                    &value,
                )?;
                let gone = held.value.secrets.iter().filter(|s| !s.is_alive(now));
                for secret in gone {
                    let mut event = self.admin_event(zone, &admin, EventType::SecretExpired);
                    event.target = Some(value.id.to_string());
                    event.target_name = Some(value.name.clone());
                    event.reason = Some(format!("`{}` is forgotten", secret.id()));
                    change.events.push(event);
                }
            }
            self.write_uses(&handle, view, &admin, now, &mut change)?;
            Ok((change, ()))
        })
        .await
    }

    fn write_uses(
        &self,
        handle: &ZoneHandle,
        view: &ZoneView,
        admin: &Admin,
        now: Timestamp,
        change: &mut Change,
    ) -> Result<(), AdminError> {
        let mut used: BTreeMap<ApplicationId, SecretUse> = BTreeMap::new();
        for (application, secret, at) in handle.secret_uses.all() {
            let held = view.applications.find_by_id(application.uuid());
            let held = held.filter(|held| held.value.secrets.iter().any(|s| s.id() == secret));
            if held.is_none() {
                handle.secret_uses.forget(application, secret);
                continue;
            }
            used.entry(application).or_default().used.insert(secret, at);
        }
        let mut count = 0_usize;
        for (application, mut seen) in used {
            let stored = view.secret_uses.get(&application.uuid());
            let is_due = seen.used.iter().any(|(secret, at)| {
                let written = stored.and_then(|stored| stored.value.used.get(secret));
                written.is_none_or(|written| at.duration_since(*written) >= WRITE_AFTER)
            });
            if !is_due || count >= BATCH {
                continue;
            }
            // What another time or node has seen of a secret that is still there stays.
            let alive = view.applications.find_by_id(application.uuid());
            for (secret, at) in stored.iter().flat_map(|stored| &stored.value.used) {
                if alive.is_some_and(|held| held.value.secrets.iter().any(|s| s.id() == *secret)) {
                    let newest = seen.used.entry(*secret).or_insert(*at);
                    *newest = (*newest).max(*at);
                }
            }
            let version = stored.map_or(Version::ABSENT, |stored| stored.version);
            change.put(Kind::SecretUse, application.uuid(), None, version, &seen)?;
            count += 1;
        }
        for (id, stored) in &view.secret_uses {
            if view.applications.find_by_id(*id).is_none() && count < BATCH {
                change.delete(Kind::SecretUse, *id, stored.version);
                count += 1;
            }
        }
        if count > 0 {
            let mut event = self.admin_event(handle.id, admin, EventType::SecretUsed);
            event.time = now;
            event.reason = Some(format!("the last use of {count} applications' secrets"));
            change.events.push(event);
        }
        Ok(())
    }
}

//! Sealing again, in the background, what is sealed under an older master key.
//!
//! A batch is one commit: each of its secrets is sealed under the old key before it and under
//! the current one after it, and both keys are in the ring, so that everything can be opened at
//! every moment. Where it ends is where it goes on: what is still to be done is what is still
//! sealed under an older key.

use std::time::Duration;

use caracal_core::{EventType, Kind, ZoneId};
use caracal_crypto::{Keyring, SealContext};

use super::seals_of;
use crate::change::Change;
use crate::provider_seal::provider_context;
use crate::sinks::sink_context;
use crate::view::{ZoneKeys, ZoneView};
use crate::{Admin, AdminError, Engine, Operator};

/// The most objects of one commit.
const BATCH: usize = 100;
/// Between two batches: the calls of agents come first.
const PAUSE: Duration = Duration::from_millis(5);
/// A change that was decided before the key changed may still be on its way to the store.
const SETTLE: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_secs(5);

/// What one batch did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Batch {
    sealed: usize,
    /// What cannot be opened under any key.
    damaged: usize,
}

impl Engine {
    /// Seals again what needs it, at the start and whenever the master key changes.
    pub(crate) fn spawn_resealer(&self) {
        let engine = self.clone();
        self.spawn(async move {
            let rounds = async {
                let mut told = Vec::new();
                loop {
                    if let Err(error) = engine.reseal_everything().await {
                        tracing::warn!(%error, "secrets could not be sealed again yet");
                        tokio::time::sleep(RETRY).await;
                        continue;
                    }
                    engine.tell_retired(&mut told);
                    // What could not be opened may have been given again meanwhile.
                    let woken = engine.0.to_reseal.notified();
                    let _ = tokio::time::timeout(LOOK_AGAIN, woken).await;
                }
            };
            engine.while_open::<()>(rounds).await;
        });
    }

    async fn reseal_everything(&self) -> Result<(), AdminError> {
        let older = self.keyring().older_ids();
        if older.is_empty() {
            // Whatever is sealed is sealed under the only key: the start saw to that.
            return self.note_settled().await;
        }
        let admin = Admin::new(Operator::sweeper(), self.new_request_id());
        if self.stale() > 0 {
            self.record_master_key(&admin).await?;
        }
        loop {
            let sealed = self.reseal_round(&admin).await?;
            tokio::time::sleep(SETTLE).await;
            if sealed == 0 || self.stale() == 0 {
                break;
            }
        }
        let left = self.stale();
        metrics::gauge!("caracal_engine_seals_pending").set(count_of(left));
        if left > 0 {
            for what in self.describe_master_key().damaged {
                tracing::error!(
                    what,
                    "it cannot be opened under any given master key and was left as it is; \
                     give the provider's secret again, or delete the provider"
                );
            }
            return Ok(());
        }
        self.note_settled().await
    }

    async fn reseal_round(&self, admin: &Admin) -> Result<usize, AdminError> {
        let mut zones: Vec<ZoneId> = self.0.zones.pin().keys().copied().collect();
        zones.sort_unstable();
        let total = self.stale();
        let mut sum = 0;
        for zone in zones {
            loop {
                let batch = self.reseal_batch(zone, admin).await?;
                if batch.sealed == 0 {
                    break;
                }
                sum += batch.sealed;
                metrics::counter!("caracal_engine_seals_renewed_total")
                    .increment(u64::try_from(batch.sealed).unwrap_or(0));
                metrics::gauge!("caracal_engine_seals_pending")
                    .set(count_of(total.saturating_sub(sum)));
                tracing::info!(%zone, done = sum, of = total, "secrets were sealed again");
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(sum)
    }

    async fn reseal_batch(&self, zone: ZoneId, admin: &Admin) -> Result<Batch, AdminError> {
        self.write(zone, admin, |view| {
            let ring = self.keyring();
            let mut change = Change::standalone(zone);
            let mut batch = Batch {
                sealed: 0,
                damaged: 0,
            };
            self.reseal_keys(view, &ring, &mut change, &mut batch)?;
            reseal_credentials(view, &ring, &mut change, &mut batch)?;
            reseal_answers(view, &ring, &mut change, &mut batch)?;
            reseal_approvals(view, &ring, &mut change, &mut batch)?;
            reseal_sinks(view, &ring, &mut change, &mut batch)?;
            if batch.sealed > 0 {
                let mut event = self.admin_event(zone, admin, EventType::SecretResealed);
                event.target = Some(ring.current_id());
                event.reason = Some(format!("{} secrets", batch.sealed));
                change.events.push(event);
            }
            Ok((change, batch))
        })
        .await
    }

    fn reseal_keys(
        &self,
        view: &ZoneView,
        ring: &Keyring,
        change: &mut Change,
        batch: &mut Batch,
    ) -> Result<(), AdminError> {
        let mut value = view.zone.value.clone();
        let before = batch.sealed;
        let id = value.id;
        let mut again = |sealed: &mut caracal_core::SealedSecret, purpose: &str| {
            renew(ring, sealed, &ZoneKeys::context(id, purpose), batch);
        };
        for key in &mut value.mandate_keys {
            again(&mut key.private, "mandate-key");
        }
        for log in &mut value.logs {
            again(&mut log.private, "log-key");
        }
        again(&mut value.digest_key, "digest-key");
        if batch.sealed == before {
            return Ok(());
        }
        let name = value.name.clone();
        change.put(
            Kind::Zone,
            id.uuid(),
            Some(&name),
            view.zone_version(),
            &value,
        )
    }

    /// Tells people, once, which keys can go.
    fn tell_retired(&self, told: &mut Vec<String>) {
        let ring = self.keyring();
        if self.stale() > 0 || *told == ring.older_ids() {
            return;
        }
        *told = ring.older_ids();
        let current = ring.current_id();
        for id in &*told {
            tracing::info!(
                older = %id, %current,
                "nothing is sealed under the older master key any more: it can be taken away; \
                 keep it for as long as you keep backups from before"
            );
        }
    }

    /// How many secrets are sealed under an older key.
    fn stale(&self) -> usize {
        let ring = self.keyring();
        let handles: Vec<_> = self.0.zones.pin().values().cloned().collect();
        let stale = |view: &ZoneView| seals_of(view).filter(|seal| !ring.is_current(seal)).count();
        handles.iter().map(|handle| stale(&handle.view())).sum()
    }

    /// Records that nothing is sealed under an older key any more.
    async fn note_settled(&self) -> Result<(), AdminError> {
        let current = self.keyring().current_id();
        let held = self.master_key_record();
        let is_open = held.is_some_and(|held| held.id != current || held.settled_at.is_none());
        if is_open {
            let admin = Admin::new(Operator::sweeper(), self.new_request_id());
            let written = self.write(ZoneId::INSTANCE, &admin, |view| {
                let mut record = self.new_master_key_record(true);
                if let Some(held) = view
                    .zone
                    .value
                    .master_key
                    .as_ref()
                    .filter(|held| held.id == record.id)
                {
                    record.since = held.since;
                }
                let mut change = Change::standalone(ZoneId::INSTANCE);
                let reason = "nothing is sealed under another master key any more".to_owned();
                self.put_master_key(
                    view,
                    &admin,
                    record,
                    EventType::MasterKeyRetired,
                    reason,
                    &mut change,
                )?;
                Ok((change, ()))
            });
            written.await?;
        }
        Ok(())
    }
}

fn reseal_credentials(
    view: &ZoneView,
    ring: &Keyring,
    change: &mut Change,
    batch: &mut Batch,
) -> Result<(), AdminError> {
    let zone = view.zone.value.id;
    for held in view.providers.iter() {
        if batch.sealed >= BATCH {
            break;
        }
        let stale = held
            .value
            .secret
            .as_ref()
            .filter(|seal| !ring.is_current(seal));
        let Some(mut sealed) = stale.cloned() else {
            continue;
        };
        let before = batch.sealed;
        renew(
            ring,
            &mut sealed,
            &provider_context(zone, &held.value),
            batch,
        );
        if batch.sealed > before {
            let mut value = held.value.clone();
            value.secret = Some(sealed);
            let (id, name) = (value.id.uuid(), value.name.clone());
            change.put(Kind::Provider, id, Some(&name), held.version, &value)?;
        }
    }
    Ok(())
}

fn reseal_answers(
    view: &ZoneView,
    ring: &Keyring,
    change: &mut Change,
    batch: &mut Batch,
) -> Result<(), AdminError> {
    let context = ZoneKeys::context(view.zone.value.id, "idempotency");
    for (id, held) in view.remembered.by_age() {
        if batch.sealed >= BATCH {
            break;
        }
        let mut value = held.value.clone();
        let before = batch.sealed;
        renew(ring, &mut value.answer, &context, batch);
        if batch.sealed > before {
            change.put(Kind::Idempotency, id, None, held.version, &value)?;
        }
    }
    Ok(())
}

fn reseal_approvals(
    view: &ZoneView,
    ring: &Keyring,
    change: &mut Change,
    batch: &mut Batch,
) -> Result<(), AdminError> {
    let context = ZoneKeys::context(view.zone.value.id, "approval");
    for held in view.approvals.iter() {
        if batch.sealed >= BATCH {
            break;
        }
        if ring.is_current(&held.value.shown) {
            continue;
        }
        let mut value = held.value.clone();
        let before = batch.sealed;
        renew(ring, &mut value.shown, &context, batch);
        if batch.sealed > before {
            change.put(Kind::Approval, value.id.uuid(), None, held.version, &value)?;
        }
    }
    Ok(())
}

fn reseal_sinks(
    view: &ZoneView,
    ring: &Keyring,
    change: &mut Change,
    batch: &mut Batch,
) -> Result<(), AdminError> {
    for held in view.sinks.iter() {
        if batch.sealed >= BATCH {
            break;
        }
        let context = sink_context(view.zone.value.id, &held.value);
        let mut value = held.value.clone();
        let before = batch.sealed;
        let older = value.older.iter_mut().map(|older| &mut older.secret);
        for sealed in value.secret.iter_mut().chain(older) {
            renew(ring, sealed, &context, batch);
        }
        if batch.sealed > before {
            let (id, name) = (value.id.uuid(), value.name.clone());
            change.put(Kind::Sink, id, Some(&name), held.version, &value)?;
        }
    }
    Ok(())
}

/// Seals a text again when that is needed; one that does not open stays as it is.
fn renew(
    ring: &Keyring,
    sealed: &mut caracal_core::SealedSecret,
    context: &SealContext,
    batch: &mut Batch,
) {
    if ring.is_current(sealed) {
        return;
    }
    match ring.reseal(sealed, context) {
        Ok(renewed) => {
            *sealed = renewed;
            batch.sealed += 1;
        }
        Err(_) => batch.damaged += 1,
    }
}

fn count_of(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

//! Forgetting tombstones that nothing needs any more.
//!
//! The revocation of a mandate, or of the session that a mandate brought along, ends something
//! that ends by itself at most 900 s later. Without sweeping, an application that mints and
//! revokes in a loop would make state grow for ever.

use std::time::Duration;

use caracal_core::{Anchor, EventType, Kind, Revocation, ZoneId};
use jiff::Timestamp;

use crate::change::Change;
use crate::{Admin, Engine, MAX_TTL_SECONDS, Operator};

const PAUSE: Duration = Duration::from_secs(60);
/// Beyond a mandate's longest life: clocks that are not quite right, in seconds.
const GRACE_SECONDS: i64 = 60;
/// The most tombstones of one commit.
const BATCH: usize = 1000;

impl Engine {
    /// Sweeps every zone each minute until the engine closes.
    pub(crate) fn spawn_sweeper(&self) {
        let engine = self.clone();
        let closing = self.0.closing.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "lives exactly as long as the engine"
        )]
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = closing.cancelled() => return,
                }
                let zones: Vec<ZoneId> = engine.0.zones.pin().keys().copied().collect();
                for zone in zones {
                    engine.sweep(zone).await;
                    engine.sweep_secrets_and_keys(zone).await;
                }
            }
        });
    }

    async fn sweep_secrets_and_keys(&self, zone: ZoneId) {
        if let Err(error) = self.sweep_keys(zone).await {
            tracing::warn!(%zone, %error, "the zone's keys could not be rotated or forgotten");
        }
        if let Err(error) = self.sweep_secrets(zone).await {
            tracing::warn!(%zone, %error, "client secrets could not be swept");
        }
    }

    /// Forgets the tombstones of a zone whose mandates have expired.
    pub(crate) async fn sweep(&self, zone: ZoneId) {
        let admin = Admin::new(Operator::local(), self.new_request_id());
        let now = self.now();
        let swept = self.write(zone, &admin, |view| {
            let mut change = Change::standalone(zone);
            let expired = view
                .revocations
                .values()
                .filter(|held| is_moot(&held.value, now));
            let mut count = 0;
            for held in expired.take(BATCH) {
                change.delete(Kind::Revocation, held.value.id.uuid(), held.version);
                count += 1;
            }
            if count > 0 {
                let mut event = self.admin_event(zone, &admin, EventType::RevocationExpired);
                event.operator = None;
                event.reason = Some(format!("{count} revocations of mandates that have expired"));
                change.events.push(event);
            }
            Ok((change, ()))
        });
        if let Err(error) = swept.await {
            tracing::warn!(%zone, %error, "expired revocations could not be forgotten");
        }
    }
}

fn is_moot(revocation: &Revocation, now: Timestamp) -> bool {
    let age = now.duration_since(revocation.created_at).as_secs();
    matches!(revocation.anchor, Anchor::Mandate(_) | Anchor::Session(_))
        && age > i64::from(MAX_TTL_SECONDS) + GRACE_SECONDS
}

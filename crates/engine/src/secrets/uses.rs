//! When client secrets were last used, in memory: a use costs no commit.

use std::sync::atomic::{AtomicI64, Ordering};

use caracal_core::{ApplicationId, ClientSecretId};
use jiff::Timestamp;

/// The last use of each client secret since the start, to the minute. It holds no more entries
/// than there are secrets, since only a secret that matched is noted, and the sweeper forgets
/// those that are gone.
#[derive(Default)]
pub(crate) struct SecretUses(papaya::HashMap<(ApplicationId, ClientSecretId), AtomicI64>);

impl SecretUses {
    pub(crate) fn note(&self, application: ApplicationId, secret: ClientSecretId, now: Timestamp) {
        let minute = now.as_second().div_euclid(60);
        let held = self.0.pin();
        let cell = held.get_or_insert_with((application, secret), || AtomicI64::new(minute));
        // Written once a minute only: the cell is shared by every mint of the application.
        if cell.load(Ordering::Relaxed) < minute {
            cell.store(minute, Ordering::Relaxed);
        }
    }

    pub(crate) fn find(
        &self,
        application: ApplicationId,
        secret: ClientSecretId,
    ) -> Option<Timestamp> {
        let held = self.0.pin();
        held.get(&(application, secret)).and_then(time_of)
    }

    /// Everything that is noted.
    pub(crate) fn all(&self) -> Vec<(ApplicationId, ClientSecretId, Timestamp)> {
        let held = self.0.pin();
        let all = held.iter().filter_map(|((application, secret), cell)| {
            Some((*application, *secret, time_of(cell)?))
        });
        all.collect()
    }

    pub(crate) fn forget(&self, application: ApplicationId, secret: ClientSecretId) {
        self.0.pin().remove(&(application, secret));
    }
}

fn time_of(minute: &AtomicI64) -> Option<Timestamp> {
    let seconds = minute.load(Ordering::Relaxed).saturating_mul(60);
    Timestamp::from_second(seconds).ok()
}

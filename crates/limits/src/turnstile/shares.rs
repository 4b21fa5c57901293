//! Who holds how much. Every step is atomic; nothing is locked and nothing allocated.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Claimant, TurnedAway};

/// How many counters there are for applications, and for zones. Two that share one also share
/// what they may hold: that is one pair in 16,384, and nobody can tell which, since the place of an
/// id is keyed at random.
const COUNTERS: usize = 16 * 1024;

pub(super) struct Shares {
    places: u32,
    free: AtomicU32,
    per_application: u32,
    per_zone: u32,
    applications: Box<[AtomicU32]>,
    zones: Box<[AtomicU32]>,
    hasher: RandomState,
}

impl Shares {
    pub(super) fn new(places: u32, per_application: u32, per_zone: u32) -> Self {
        let counters = || (0..COUNTERS).map(|_| AtomicU32::new(0)).collect();
        let places = places.max(1);
        Self {
            places,
            free: AtomicU32::new(places),
            per_application: per_application.max(1),
            per_zone: per_zone.max(1),
            applications: counters(),
            zones: counters(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn has_free(&self) -> bool {
        self.free.load(Ordering::SeqCst) > 0
    }

    pub(super) fn taken(&self) -> usize {
        let free = self.free.load(Ordering::Relaxed).min(self.places);
        usize::try_from(self.places - free).unwrap_or(usize::MAX)
    }

    /// Takes a place.
    pub(super) fn take(&self, claimant: Claimant) -> Result<(), TurnedAway> {
        let (application, zone) = self.counters(claimant)?;
        if !raise(application, self.per_application) {
            return Err(TurnedAway::OwnShare);
        }
        if !raise(zone, self.per_zone) {
            lower(application);
            return Err(TurnedAway::OwnShare);
        }
        if !lower(&self.free) {
            lower(zone);
            lower(application);
            return Err(TurnedAway::Overloaded);
        }
        Ok(())
    }

    /// Gives a place back that was taken.
    pub(super) fn give_back(&self, claimant: Claimant) {
        if let Ok((application, zone)) = self.counters(claimant) {
            lower(application);
            lower(zone);
            self.free.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Why a claimant got none for a while.
    pub(super) fn reason(&self, claimant: Claimant) -> TurnedAway {
        let is_own = self.counters(claimant).is_ok_and(|(application, zone)| {
            application.load(Ordering::Relaxed) >= self.per_application
                || zone.load(Ordering::Relaxed) >= self.per_zone
        });
        if is_own {
            TurnedAway::OwnShare
        } else {
            TurnedAway::Overloaded
        }
    }

    fn counters(&self, claimant: Claimant) -> Result<(&AtomicU32, &AtomicU32), TurnedAway> {
        let application = self.applications.get(self.index(claimant.application));
        let zone = self.zones.get(self.index(claimant.zone));
        application.zip(zone).ok_or(TurnedAway::Overloaded)
    }

    /// True if none of these shares a counter with another.
    #[cfg(test)]
    pub(super) fn tells_apart(&self, claimants: &[Claimant]) -> bool {
        let distinct = |ids: &dyn Fn(&Claimant) -> u128| {
            let ids: std::collections::HashSet<u128> = claimants.iter().map(ids).collect();
            let places = ids.iter().map(|id| self.index(*id));
            places.collect::<std::collections::HashSet<_>>().len() == ids.len()
        };
        distinct(&|claimant| claimant.application) && distinct(&|claimant| claimant.zone)
    }

    fn index(&self, id: u128) -> usize {
        let hash = self.hasher.hash_one(id);
        usize::try_from(hash % COUNTERS as u64).unwrap_or_default()
    }
}

fn raise(counter: &AtomicU32, most: u32) -> bool {
    counter
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |held| {
            (held < most).then(|| held + 1)
        })
        .is_ok()
}

fn lower(counter: &AtomicU32) -> bool {
    counter
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |held| {
            held.checked_sub(1)
        })
        .is_ok()
}

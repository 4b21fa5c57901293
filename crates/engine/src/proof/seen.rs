//! What this node has accepted once and must not accept again: proofs and assertions, each for as
//! long as it would be good.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use caracal_core::ApplicationId;

/// How many proofs are remembered of an epoch of nonces; each takes about 80 bytes.
const MAX_SEEN: u32 = 1_000_000;
/// How many of them one application may have. Whoever fills its share locks out itself: a proof
/// takes room only in the name of an application that has shown its secret or a mandate.
const MAX_SHARE: u32 = 250_000;
/// How many epochs before the current one are kept: the one whose nonces are still good, and one
/// more for whoever looked at the time just before.
const KEPT: i64 = 2;

/// Why a proof was not remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unseen {
    /// It was remembered before.
    Before,
    /// The application has its share.
    OwnShare,
    /// There is no room at all.
    Full,
}

/// The proofs of one epoch of nonces.
#[derive(Default)]
struct Generation {
    seen: papaya::HashMap<[u8; 16], ()>,
    count: AtomicU32,
    shares: papaya::HashMap<ApplicationId, Arc<AtomicU32>>,
}

/// A generation for each epoch of nonces: a proof lies in the one of its nonce, so that it is
/// forgotten exactly when its nonce is not accepted any more.
pub(crate) struct SeenProofs {
    generations: papaya::HashMap<i64, Arc<Generation>>,
    max_seen: u32,
    max_share: u32,
}

impl Default for SeenProofs {
    fn default() -> Self {
        Self::with_room(MAX_SEEN, MAX_SHARE)
    }
}

impl SeenProofs {
    /// With room for so many in an epoch, and so many of one application.
    pub(crate) fn with_room(max_seen: u32, max_share: u32) -> Self {
        Self {
            generations: papaya::HashMap::new(),
            max_seen,
            max_share,
        }
    }

    /// Remembers a proof by its id, which must be a digest; `epoch` is its nonce's.
    ///
    /// # Errors
    /// When it was remembered before, or there is no room: then it must not be accepted.
    pub(crate) fn remember(
        &self,
        epoch: i64,
        now: i64,
        application: ApplicationId,
        id: [u8; 32],
    ) -> Result<(), Unseen> {
        let generation = self.generation(epoch, now);
        let shares = generation.shares.pin();
        let share = shares.get_or_insert_with(application, Arc::default);
        let mut short = [0; 16];
        short.copy_from_slice(id.split_at(16).0);
        let seen = generation.seen.pin();
        if seen.contains_key(&short) {
            return Err(Unseen::Before);
        }
        take(share, self.max_share).ok_or(Unseen::OwnShare)?;
        if take(&generation.count, self.max_seen).is_none() {
            share.fetch_sub(1, Ordering::Relaxed);
            return Err(Unseen::Full);
        }
        // Of two at once, one is the first.
        if seen.insert(short, ()).is_some() {
            generation.count.fetch_sub(1, Ordering::Relaxed);
            share.fetch_sub(1, Ordering::Relaxed);
            return Err(Unseen::Before);
        }
        Ok(())
    }

    fn generation(&self, epoch: i64, now: i64) -> Arc<Generation> {
        let generations = self.generations.pin();
        if let Some(held) = generations.get(&epoch) {
            return Arc::clone(held);
        }
        generations.retain(|held, _| *held >= now - KEPT);
        Arc::clone(generations.get_or_insert_with(epoch, Arc::default))
    }
}

/// Counts one more, up to the limit.
fn take(count: &AtomicU32, limit: u32) -> Option<u32> {
    count
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            (held < limit).then_some(held + 1)
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(n: u128) -> ApplicationId {
        ApplicationId::from_uuid(uuid::Uuid::from_u128(n))
    }

    fn id(n: u32) -> [u8; 32] {
        caracal_crypto::sha256(&n.to_be_bytes())
    }

    #[test]
    fn a_proof_is_new_once_for_as_long_as_its_nonce_is_good() {
        let seen = SeenProofs::default();
        for now in [10, 11] {
            let first = seen.remember(10, now, application(1), id(1));
            assert_eq!(first.is_ok(), now == 10, "{now}");
            // Whoever shows it.
            let again = seen.remember(10, now, application(2), id(1));
            assert_eq!(again, Err(Unseen::Before));
        }
        assert_eq!(seen.remember(11, 11, application(1), id(2)), Ok(()));
        assert_eq!(seen.remember(13, 13, application(1), id(3)), Ok(()));
        let held: Vec<_> = seen.generations.pin().keys().copied().collect();
        assert!(!held.contains(&10) && held.contains(&11), "{held:?}");
    }

    #[test]
    fn whoever_fills_its_share_locks_out_nobody_else() {
        let seen = SeenProofs {
            max_seen: 5,
            max_share: 3,
            ..SeenProofs::default()
        };
        let show = |of: u128, n: u32| seen.remember(1, 1, application(of), id(n));
        for n in 0..3 {
            assert_eq!(show(1, n), Ok(()));
        }
        assert_eq!(show(1, 3), Err(Unseen::OwnShare));
        // A replay is one, also then.
        assert_eq!(show(1, 0), Err(Unseen::Before));
        assert_eq!(show(2, 4), Ok(()));
        assert_eq!(show(2, 5), Ok(()));
        assert_eq!(show(3, 6), Err(Unseen::Full));
        // The next epoch has room again.
        assert_eq!(seen.remember(2, 2, application(1), id(7)), Ok(()));
    }

    #[test]
    fn of_many_at_once_one_is_the_first() {
        let seen = SeenProofs::default();
        let firsts = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for n in 0..1000 {
                        if seen.remember(1, 1, application(1), id(n)).is_ok() {
                            firsts.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(firsts.load(Ordering::Relaxed), 1000);
        let generation = seen.generation(1, 1);
        assert_eq!(generation.count.load(Ordering::Relaxed), 1000);
    }
}

//! Nonces that every node makes and knows without asking another: a MAC of the time, in steps of
//! ten seconds, under a key of the zone.

use caracal_core::Secret;
use jiff::Timestamp;

/// The length of an epoch, in seconds.
const EPOCH_SECONDS: i64 = 10;
/// How many epochs after its own a nonce is accepted.
const LATER_EPOCHS: i64 = 1;

/// The key of a zone's nonces, from the key of its digests; what that one digests is JSON and
/// never begins like this.
pub(crate) fn nonce_key(digest_key: &Secret) -> Secret {
    let key = caracal_crypto::keyed_digest(digest_key, b"caracal dpop nonce key");
    Secret::new(key.to_vec())
}

pub(super) fn epoch_of(now: Timestamp) -> i64 {
    now.as_second().div_euclid(EPOCH_SECONDS)
}

/// When the nonces of an epoch end, in seconds since 1970.
pub(super) fn end_of(epoch: i64) -> i64 {
    (epoch + 1 + LATER_EPOCHS) * EPOCH_SECONDS
}

/// The nonce that is given out at this time.
pub(super) fn nonce_at(key: &Secret, now: Timestamp) -> String {
    nonce_of(key, epoch_of(now))
}

/// The epoch of a nonce that is accepted now: of this epoch or the one before, or of the next
/// one, which a node whose clock is a little ahead of ours gives out already.
pub(super) fn find_epoch(key: &Secret, text: &str, now: Timestamp) -> Option<i64> {
    let epoch = epoch_of(now);
    [epoch, epoch - LATER_EPOCHS, epoch + 1]
        .into_iter()
        .find(|epoch| {
            let own = nonce_of(key, *epoch);
            caracal_crypto::constant_time_eq(own.as_bytes(), text.as_bytes())
        })
}

fn nonce_of(key: &Secret, epoch: i64) -> String {
    let mac = caracal_crypto::keyed_digest(key, &epoch.to_be_bytes());
    let (half, _) = mac.split_at(16);
    caracal_crypto::hex(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_nonce_is_good_for_its_epoch_and_the_one_after() {
        let key = nonce_key(&Secret::new(vec![1; 32]));
        let made = nonce_at(&key, at(1_000_005));
        assert_eq!(made, nonce_at(&key, at(1_000_000)));
        assert_ne!(made, nonce_at(&key, at(1_000_010)));
        for (second, accepted) in [
            (999_989, false),
            (999_990, true),
            (1_000_000, true),
            (1_000_009, true),
            (1_000_019, true),
            (1_000_020, false),
            (1_000_300, false),
        ] {
            let found = find_epoch(&key, &made, at(second));
            assert_eq!(found, accepted.then_some(100_000), "{second}");
        }
        assert_eq!(end_of(100_000), 1_000_020);
    }

    #[test]
    fn nonces_of_other_zones_and_other_texts_are_none() {
        let key = nonce_key(&Secret::new(vec![1; 32]));
        let now = at(1_000_000);
        let other = nonce_key(&Secret::new(vec![2; 32]));
        let made = nonce_at(&key, now);
        let shout = made.to_uppercase();
        for text in ["", "0", &nonce_at(&other, now), &shout, &made[1..]] {
            assert_eq!(find_epoch(&key, text, now), None, "{text}");
        }
    }
}

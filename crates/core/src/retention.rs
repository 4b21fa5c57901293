//! How long evidence is kept, and what a log says when it lets go of some.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How long the events of a zone are kept. A zone without one keeps them for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// In days, [`Retention::MIN_DAYS`] to [`Retention::MAX_DAYS`].
    pub events_days: u32,
}

/// The number of days is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("events are kept for 1 to 36525 days, not `{0}`")]
pub struct RetentionError(pub u32);

impl Retention {
    /// The shortest retention: a day.
    pub const MIN_DAYS: u32 = 1;
    /// The longest that differs from keeping events for ever: a hundred years.
    pub const MAX_DAYS: u32 = 36_525;

    /// Keeps events for so many days.
    ///
    /// # Errors
    /// When the number is out of bounds.
    pub fn days(events_days: u32) -> Result<Self, RetentionError> {
        if (Self::MIN_DAYS..=Self::MAX_DAYS).contains(&events_days) {
            Ok(Self { events_days })
        } else {
            Err(RetentionError(events_days))
        }
    }

    /// Events before this may go. Never later than a day before `now`, whatever is stored.
    pub fn cutoff(&self, now: Timestamp) -> Timestamp {
        cutoff(now, self.events_days)
    }
}

/// What a `log.pruned` event says: which leaves of its own log may be missing from now on.
/// The fields stand in the order of RFC 8785.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedRange {
    /// Every one of the leaves is of an event before this.
    pub before: Timestamp,
    /// The leaves with an index below this; at most the index of the event itself.
    pub below: u64,
    /// The retention in days that it stands on.
    pub days: u32,
}

impl PrunedRange {
    /// Whether an event that says this, at this index and time, may let leaves go: only such
    /// as stand before it and are older than the retention that it names.
    pub fn is_lawful(&self, index: u64, time: Timestamp) -> bool {
        Retention::days(self.days).is_ok()
            && self.below <= index
            && self.before <= cutoff(time, self.days)
    }
}

fn cutoff(now: Timestamp, days: u32) -> Timestamp {
    let days = days.clamp(Retention::MIN_DAYS, Retention::MAX_DAYS);
    let kept = SignedDuration::from_hours(i64::from(days) * 24);
    now.checked_sub(kept).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_retention_is_a_day_at_least() {
        assert_eq!(Retention::days(0), Err(RetentionError(0)));
        assert!(Retention::days(1).is_ok());
        assert!(Retention::days(Retention::MAX_DAYS).is_ok());
        assert!(Retention::days(Retention::MAX_DAYS + 1).is_err());
        let cutoff = Retention { events_days: 0 }.cutoff(at(10 * DAY));
        assert_eq!(cutoff, at(9 * DAY));
        let far = Retention::days(Retention::MAX_DAYS).unwrap();
        assert!(far.cutoff(Timestamp::MIN) == Timestamp::MIN);
    }

    #[test]
    fn an_event_lets_go_only_of_what_is_before_it_and_old_enough() {
        let range = PrunedRange {
            before: at(DAY),
            below: 7,
            days: 2,
        };
        assert!(range.is_lawful(7, at(3 * DAY)));
        assert!(!range.is_lawful(6, at(3 * DAY)));
        assert!(!range.is_lawful(7, at(3 * DAY - 1)));
        assert!(!PrunedRange { days: 0, ..range }.is_lawful(7, at(9 * DAY)));
    }
}

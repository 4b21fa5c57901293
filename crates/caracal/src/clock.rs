//! The one place that reads the clock.
#![expect(
    clippy::disallowed_methods,
    reason = "the binary reads the clock, here only"
)]

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use caracal_engine::Clock;
use jiff::{SignedDuration, Timestamp};

/// The wall clock, except that it never goes back: when the machine's clock is set back,
/// time goes on from where it was, so that nothing lives longer than it was given.
pub(crate) struct SystemClock(Mutex<(Instant, Timestamp)>);

impl SystemClock {
    /// A clock that starts with the machine's time.
    pub(crate) fn new() -> Self {
        Self(Mutex::new((Instant::now(), Timestamp::now())))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = later(*last, Instant::now(), Timestamp::now());
        *last = now;
        now.1
    }
}

/// The time now, for what is shown to people.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

fn later(last: (Instant, Timestamp), instant: Instant, wall: Timestamp) -> (Instant, Timestamp) {
    let elapsed = SignedDuration::try_from(instant.saturating_duration_since(last.0));
    let floor = elapsed
        .ok()
        .and_then(|e| last.1.checked_add(e).ok())
        .unwrap_or(last.1);
    (instant.max(last.0), wall.max(floor))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn time_goes_on_when_the_machine_is_set_back() {
        let (start, wall) = (
            Instant::now(),
            Timestamp::UNIX_EPOCH + SignedDuration::from_hours(9),
        );
        let back = later(
            (start, wall),
            start + Duration::from_secs(5),
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(back.1, wall + SignedDuration::from_secs(5));
        let ahead = wall + SignedDuration::from_hours(1);
        assert_eq!(later(back, start + Duration::from_secs(6), ahead).1, ahead);
    }
}

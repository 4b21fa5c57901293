//! A clock that stands still until it is told.

use std::sync::{Arc, Mutex, PoisonError};

use caracal_engine::Clock;
use jiff::{SignedDuration, Timestamp};

/// A clock for tests. Clones show the same time. It begins at 2026-01-01 00:00 UTC.
#[derive(Debug, Clone)]
pub struct FakeClock(Arc<Mutex<Timestamp>>);

impl FakeClock {
    /// Where every fake clock begins, in seconds since the epoch.
    const BEGIN: i64 = 1_767_225_600;

    /// A clock that shows its begin.
    pub fn new() -> Self {
        let begin = Timestamp::from_second(Self::BEGIN).unwrap_or(Timestamp::UNIX_EPOCH);
        Self(Arc::new(Mutex::new(begin)))
    }

    /// Moves it forward.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = now.saturating_add(by).unwrap_or(*now);
        *now = next.max(*now);
    }

    /// Moves it forward by whole seconds.
    pub fn advance_seconds(&self, seconds: u32) {
        self.advance(SignedDuration::from_secs(i64::from(seconds)));
    }

    /// Sets it; an earlier time than it shows is ignored.
    pub fn set(&self, time: Timestamp) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = time.max(*now);
    }

    /// Breaks the contract of a clock: sets it to any time.
    pub fn turn_back(&self, time: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = time;
    }
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_back_only_when_told() {
        let clock = FakeClock::new();
        let begin = clock.now();
        clock.advance_seconds(5);
        clock.set(begin);
        clock.advance(SignedDuration::from_secs(-3));
        assert_eq!(clock.now(), begin + SignedDuration::from_secs(5));
        clock.turn_back(begin);
        assert_eq!(clock.clone().now(), begin);
    }
}

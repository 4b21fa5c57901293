//! How many places, and how many may wait.

use std::time::Duration;

/// The bounds of a [`crate::Turnstile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnstileLimits {
    /// The places, at least 1.
    pub places: u32,
    /// How many of them one application may hold, at least 1.
    pub per_application: u32,
    /// How many of them the applications of one zone may hold together, at least 1.
    pub per_zone: u32,
    /// How many claimants may wait.
    pub waiting: usize,
    /// How many of them on behalf of one application.
    pub waiting_per_application: usize,
    /// How long each waits at most.
    pub patience: Duration,
}

impl TurnstileLimits {
    /// So many places: half of them for one application, three quarters for one zone, as many
    /// again may wait, a quarter of them for one application, each for 2 s.
    pub fn of(places: u32) -> Self {
        let places = places.max(1);
        let waiting = usize::try_from(places).unwrap_or(usize::MAX);
        Self {
            places,
            per_application: places.div_ceil(2),
            per_zone: places - places / 4,
            waiting,
            waiting_per_application: waiting.div_ceil(4),
            patience: Duration::from_secs(2),
        }
    }

    /// The same places without a queue: who finds none is turned away at once.
    #[must_use]
    pub fn without_queue(mut self) -> Self {
        self.waiting = 0;
        self.waiting_per_application = 0;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_a_single_place_can_be_had() {
        let limits = TurnstileLimits::of(0);
        assert_eq!(
            (limits.places, limits.per_application, limits.per_zone),
            (1, 1, 1)
        );
        let limits = TurnstileLimits::of(100);
        assert_eq!(
            (limits.per_application, limits.per_zone, limits.waiting),
            (50, 75, 100)
        );
    }
}

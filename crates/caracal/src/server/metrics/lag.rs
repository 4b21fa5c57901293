//! How long ago the newest event was written that searches find.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many looks are remembered; one is taken a second.
const LOOKS: usize = 3600;

/// Remembers how far the ledger was at each look.
#[derive(Debug, Default)]
pub(super) struct Lag {
    looks: VecDeque<(Instant, u64)>,
}

impl Lag {
    /// Takes a look: the newest event, and the newest that searches find.
    pub(super) fn look(&mut self, now: Instant, tail: u64, projected: u64) {
        if self.looks.len() == LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back((now, tail));
        // The newest look whose events are all found is where the lag is counted from.
        while self
            .looks
            .get(1)
            .is_some_and(|(_, tail)| *tail <= projected)
        {
            self.looks.pop_front();
        }
    }

    /// How far searches are behind: at most an hour, to about a second.
    pub(super) fn behind(&self, now: Instant, tail: u64, projected: u64) -> Duration {
        match self.looks.front() {
            Some((then, _)) if projected < tail => now.saturating_duration_since(*then),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_counts_from_the_newest_event_that_is_found() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut lag = Lag::default();
        assert_eq!(lag.behind(start, 5, 0), Duration::ZERO);
        for (second, tail) in [(0, 10), (1, 20), (2, 30), (3, 40)] {
            lag.look(at(second), tail, 20);
        }
        assert_eq!(lag.behind(at(3), 40, 20), Duration::from_secs(2));
        assert_eq!(lag.behind(at(3), 40, 40), Duration::ZERO);
        for second in 4..2 * LOOKS as u64 {
            lag.look(at(second), 50, 20);
        }
        assert_eq!(lag.looks.len(), LOOKS);
    }
}

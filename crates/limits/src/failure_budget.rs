//! How many bad secrets a source may show before the answers become cheaper and shorter.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use thiserror::Error;

use crate::Source;

/// How many sources are told apart. More share cells, so that neither many sources nor spoofed
/// networks make anything grow. A cell has 8 bytes.
const CELLS: usize = 16 * 1024;

/// Budgets of failures, one per source. Only failures are put down: what succeeds is never
/// asked for, so that nobody is locked out by what came from the same source, or was said in
/// their name.
pub struct FailureBudget<C: Clock = MonotonicClock> {
    limiter: Option<RateLimiter<Source, Cells, C, NoOpMiddleware<C::Instant>>>,
}

/// The source has failed too often lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("too many failed attempts from this address")]
pub struct OverBudget {
    /// In how many whole seconds, at least 1, one more failure is within the budget.
    pub retry_after_seconds: u64,
}

impl FailureBudget {
    /// A budget of so many failures per minute, all of which may come at once. 0: no limit.
    pub fn new(per_minute: u32) -> Self {
        Self::with_clock(per_minute, MonotonicClock)
    }
}

impl<C: Clock> FailureBudget<C> {
    /// The same by another clock.
    pub fn with_clock(per_minute: u32, clock: C) -> Self {
        let limiter = NonZeroU32::new(per_minute)
            .map(|failures| RateLimiter::new(Quota::per_minute(failures), Cells::new(), clock));
        Self { limiter }
    }

    /// Puts a failure down to its source. One without a source, such as the local socket, is
    /// always within the budget.
    ///
    /// # Errors
    /// When the budget is used up.
    pub fn spend(&self, source: Option<Source>) -> Result<(), OverBudget> {
        let (Some(source), Some(limiter)) = (source, &self.limiter) else {
            return Ok(());
        };
        limiter.check_key(&source).map_err(|until| {
            let wait = until.wait_time_from(limiter.clock().now());
            let whole = wait.as_secs() + u64::from(wait > Duration::from_secs(wait.as_secs()));
            OverBudget {
                retry_after_seconds: whole.max(1),
            }
        })
    }
}

/// A fixed number of cells. Which source has which is not known outside of this process, so
/// that nobody can choose to share a cell with somebody else.
struct Cells {
    hasher: RandomState,
    cells: Box<[InMemoryState]>,
}

impl Cells {
    fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            cells: (0..CELLS).map(|_| InMemoryState::default()).collect(),
        }
    }
}

impl StateStore for Cells {
    type Key = Source;

    fn measure_and_replace<T, F, E>(&self, source: &Source, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let hash = usize::try_from(self.hasher.hash_one(source) % CELLS as u64);
        match hash.ok().and_then(|index| self.cells.get(index)) {
            Some(cell) => cell.measure_and_replace(&NotKeyed::NonKey, f),
            // There are as many cells as there are remainders.
            None => f(None).map(|(value, _)| value),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn source(n: u8) -> Option<Source> {
        Some(Source::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, n))))
    }

    fn budget(per_minute: u32) -> (FailureBudget<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (FailureBudget::with_clock(per_minute, clock.clone()), clock)
    }

    #[test]
    fn a_budget_is_used_up_and_comes_back() {
        let (budget, clock) = budget(30);
        for n in 0..30 {
            assert!(budget.spend(source(1)).is_ok(), "failure {n}");
        }
        let over = budget.spend(source(1)).unwrap_err();
        assert_eq!(over.retry_after_seconds, 2);
        clock.advance(Duration::from_millis(1900));
        assert_eq!(budget.spend(source(1)).unwrap_err().retry_after_seconds, 1);
        clock.advance(Duration::from_millis(100));
        assert!(budget.spend(source(1)).is_ok());
        assert!(budget.spend(source(1)).is_err());
        clock.advance(Duration::from_secs(60));
        let passed = (0..100).filter(|_| budget.spend(source(1)).is_ok()).count();
        assert_eq!(passed, 30);
    }

    #[test]
    fn refused_failures_do_not_make_it_last_longer() {
        let (budget, clock) = budget(60);
        let fails = |count: usize| {
            (0..count)
                .filter(|_| budget.spend(source(1)).is_ok())
                .count()
        };
        assert_eq!(fails(100_000), 60);
        clock.advance(Duration::from_secs(10));
        assert_eq!(fails(100_000), 10);
    }

    #[test]
    fn sources_have_budgets_of_their_own_and_the_local_socket_has_none() {
        let (budget, _) = budget(1);
        assert!(budget.spend(source(1)).is_ok());
        assert!(budget.spend(source(1)).is_err());
        // Another may share the cell by chance; hundreds do not.
        let others = (2..=200)
            .filter(|n| budget.spend(source(*n)).is_ok())
            .count();
        assert!(others > 190, "{others}");
        for _ in 0..1000 {
            assert!(budget.spend(None).is_ok());
        }
    }

    #[test]
    fn many_networks_make_nothing_grow_and_together_have_an_end() {
        let (budget, _) = budget(1);
        let mut passed = 0;
        for n in 0..200_000_u128 {
            let address = Ipv6Addr::from_bits((0x2001_0db8 << 96) | (n << 64) | 1);
            passed += usize::from(budget.spend(Some(Source::of(address.into()))).is_ok());
        }
        assert!(passed <= CELLS, "{passed}");
        assert!(passed > CELLS / 2, "{passed}");
    }

    #[test]
    fn zero_is_no_limit() {
        let (budget, _) = budget(0);
        assert!((0..1000).all(|_| budget.spend(source(1)).is_ok()));
    }
}

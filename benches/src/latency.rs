//! How long things took.

use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

/// Durations between 100 ns and a minute, to three digits.
pub(crate) struct Latency(Histogram<u64>);

impl Latency {
    /// None yet.
    pub(crate) fn new() -> Result<Self> {
        let histogram = Histogram::new_with_bounds(100, 60_000_000_000, 3);
        Ok(Self(histogram.context("no histogram with these bounds")?))
    }

    /// One more.
    pub(crate) fn record(&mut self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanoseconds);
    }

    /// All of another's.
    pub(crate) fn add(&mut self, other: &Self) -> Result<()> {
        self.0
            .add(&other.0)
            .context("the histograms do not fit together")
    }

    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The quantile in microseconds; 0 when nothing was recorded.
    pub(crate) fn quantile_us(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1000.0
    }
}

/// The middle one, or the mean of the two in the middle; none of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    let high = *values.get(upper)?;
    if values.len() % 2 == 1 {
        return Some(high);
    }
    let low = *values.get(upper.checked_sub(1)?)?;
    Some(f64::midpoint(low, high))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Latency, median};

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 4.0]), Some(4.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
    }

    #[test]
    fn quantiles_are_in_microseconds() {
        let mut all = Latency::new().unwrap();
        let mut some = Latency::new().unwrap();
        for i in 1..=100 {
            some.record(Duration::from_micros(i));
        }
        all.add(&some).unwrap();
        assert_eq!(all.count(), 100);
        assert!((all.quantile_us(0.5) - 50.0).abs() < 0.1);
        assert!((all.quantile_us(0.99) - 99.0).abs() < 0.2);
    }
}

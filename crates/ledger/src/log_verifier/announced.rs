//! What the log itself says of leaves that it let go.

use caracal_core::PrunedRange;
use jiff::Timestamp;
use serde_json::Value;

/// Of so many leaves at the beginning of what is kept the times are remembered, so that an
/// event that announces too much is seen. The server announces half as many at a time.
const REMEMBERED: usize = 128 * 1024;

/// Reads the `log.pruned` events of a log as its leaves pass.
#[derive(Default)]
pub(super) struct Announced {
    /// In seconds; of the first leaves that are kept.
    times: Vec<i64>,
    ranges: Vec<Range>,
}

struct Range {
    index: u64,
    below: u64,
    /// The stored hash of the leaf says the same.
    is_hinted: bool,
}

impl Announced {
    /// Reads the leaf at `index`; the first that is kept has the index `start`.
    pub(super) fn read(&mut self, start: u64, index: u64, leaf: &Value, is_hinted: bool) {
        let time = leaf.get("time").and_then(Value::as_str);
        let Some(time) = time.and_then(|time| time.parse::<Timestamp>().ok()) else {
            return;
        };
        self.remember(time);
        if leaf.get("type").and_then(Value::as_str) != Some("log.pruned") {
            return;
        }
        let range = leaf.get("pruned").cloned();
        let Some(Ok(range)) = range.map(serde_json::from_value::<PrunedRange>) else {
            return;
        };
        if range.is_lawful(index, time) && !self.keeps_younger(start, &range) {
            self.ranges.push(Range {
                index,
                below: range.below,
                is_hinted,
            });
        }
    }

    fn remember(&mut self, time: Timestamp) {
        if self.times.len() < REMEMBERED {
            self.times.push(time.as_second());
        }
    }

    /// Whether a leaf that is still there, and that the range lets go, is younger than it says.
    fn keeps_younger(&self, start: u64, range: &PrunedRange) -> bool {
        let count = usize::try_from(range.below.saturating_sub(start)).unwrap_or(usize::MAX);
        let before = range.before.as_second();
        self.times.iter().take(count).any(|time| *time > before)
    }

    /// Up to which index leaves may be missing, as far as the events that say so are themselves
    /// vouched for: below `covered`, or where the stored hash that agreed with them is proven.
    pub(super) fn allowed(&self, covered: u64, is_proven: impl Fn(u64) -> bool) -> u64 {
        let vouched = self
            .ranges
            .iter()
            .filter(|range| range.index < covered || (range.is_hinted && is_proven(range.index)));
        vouched.map(|range| range.below).max().unwrap_or(0)
    }
}

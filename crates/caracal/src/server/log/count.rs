//! Counts the lines of the log by level.

use metrics::Counter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Counts what is logged.
pub(super) struct LineCount {
    errors: Counter,
    warnings: Counter,
    others: Counter,
}

impl LineCount {
    /// Counters in the recorder, which must be there already.
    pub(super) fn new() -> Self {
        let counter = |level| metrics::counter!("caracal_log_lines_total", "level" => level);
        Self {
            errors: counter("error"),
            warnings: counter("warn"),
            others: counter("other"),
        }
    }
}

impl<S: Subscriber> Layer<S> for LineCount {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = event.metadata().level();
        let counter = if *level == Level::ERROR {
            &self.errors
        } else if *level == Level::WARN {
            &self.warnings
        } else {
            &self.others
        };
        counter.increment(1);
    }
}

//! Keeps warnings that repeat from filling the log: of each place in the code, a few lines in a
//! while are written, and then how many more there were.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// How many lines one place in the code may write in a window.
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// Holds repeated warnings and errors back. Clones share what they know; there is one entry for
/// each place in the code that ever warned.
#[derive(Clone, Default)]
pub(crate) struct Flood(Arc<Mutex<HashMap<Identifier, Callsite>>>);

struct Callsite {
    metadata: &'static Metadata<'static>,
    since: Instant,
    written: u32,
    held_back: u64,
}

impl Flood {
    /// Tells every while how much was held back, until the end and once more then.
    pub(crate) async fn tell(self, end: CancellationToken) {
        let mut turns = tokio::time::interval(WINDOW);
        loop {
            let is_over = tokio::select! {
                () = end.cancelled() => true,
                _ = turns.tick() => false,
            };
            for (metadata, count) in self.take() {
                let place = metadata.file().unwrap_or_else(|| metadata.target());
                let line = metadata.line().unwrap_or_default();
                tracing::info!("and {count} more from {place}:{line}");
            }
            if is_over {
                return;
            }
        }
    }

    /// What was held back since the last time.
    fn take(&self) -> Vec<(&'static Metadata<'static>, u64)> {
        let mut places = self.places();
        let held = places.values_mut().map(|place| {
            let count = std::mem::take(&mut place.held_back);
            (place.metadata, count)
        });
        held.filter(|(_, count)| *count > 0).collect()
    }

    /// True when the line may be written.
    fn admit(&self, metadata: &'static Metadata<'static>, now: Instant) -> bool {
        let mut places = self.places();
        let place = places.entry(metadata.callsite()).or_insert(Callsite {
            metadata,
            since: now,
            written: 0,
            held_back: 0,
        });
        if now.duration_since(place.since) >= WINDOW {
            (place.since, place.written) = (now, 0);
        }
        if place.written < LINES {
            place.written += 1;
            return true;
        }
        place.held_back += 1;
        false
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Identifier, Callsite>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Flood {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        // Who asks for more than warnings wants all of it.
        *metadata.level() > Level::WARN || self.admit(metadata, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    struct Counter(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Counter {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn of_each_place_a_few_lines_are_written_and_the_rest_is_counted() {
        let (flood, lines) = (Flood::default(), Arc::new(AtomicUsize::new(0)));
        let subscriber = tracing_subscriber::registry()
            .with(Counter(Arc::clone(&lines)))
            .with(flood.clone());
        let written = || lines.swap(0, Ordering::Relaxed);
        tracing::subscriber::with_default(subscriber, || {
            for n in 0..1254 {
                tracing::warn!(n, "the same again");
            }
            assert_eq!(written(), 20);
            for _ in 0..30 {
                tracing::error!("something else");
            }
            assert_eq!(written(), 20, "another place has lines of its own");
            for _ in 0..30 {
                tracing::info!("not a warning");
            }
            assert_eq!(written(), 30);
        });
        let mut counts: Vec<_> = flood.take().iter().map(|(_, count)| *count).collect();
        counts.sort_unstable();
        assert_eq!(counts, [10, 1234]);
        assert!(flood.take().is_empty());
    }

    #[test]
    fn a_new_window_has_new_lines() {
        let flood = Flood::default();
        let metadata = tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            tracing::warn_span!("a place").metadata().unwrap()
        });
        let begin = Instant::now();
        let admitted = |at| (0..100).filter(|_| flood.admit(metadata, at)).count();
        assert_eq!(admitted(begin), 20);
        assert_eq!(admitted(begin + WINDOW / 2), 0);
        assert_eq!(admitted(begin + WINDOW), 20);
    }
}

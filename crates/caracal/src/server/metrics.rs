//! Metrics: the recorder that everything in the process counts into, and the page that shows
//! it.

mod catalog;
mod figures;
mod lag;
mod process;
mod recorder;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use caracal_engine::{Engine, MetricsSource};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use crate::failure::Outcome;
use lag::Lag;

/// How often samples move from where they are recorded into their buckets. Until then each
/// takes a few bytes.
const UPKEEP: Duration = Duration::from_secs(1);

/// The metrics of the process.
#[derive(Clone)]
pub(crate) struct Metrics {
    handle: PrometheusHandle,
    lag: Arc<Mutex<Lag>>,
}

impl Metrics {
    /// Begins to count, once per process, before anything asks for a counter.
    pub(crate) fn install() -> Outcome<Self> {
        let handle = recorder::install()?;
        catalog::describe();
        process::note_start();
        Ok(Self {
            handle,
            lag: Arc::default(),
        })
    }

    /// What the doors show. `trust_loopback` is false behind a proxy on this machine.
    pub(crate) fn source(&self, home: &Path, trust_loopback: bool) -> MetricsSource {
        let (metrics, home) = (self.clone(), home.to_owned());
        MetricsSource {
            writer: Arc::new(move |engine| metrics.page(engine, &home)),
            trust_loopback,
        }
    }

    fn page(&self, engine: &Engine, home: &Path) -> String {
        let found = engine.figures();
        let projected = found.leaves.saturating_sub(found.projection_lag);
        let lag = self.lag.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = lag.behind(Instant::now(), found.leaves, projected);
        drop(lag);
        figures::set(&found, behind);
        figures::set_disk(home);
        let mut page = self.handle.render();
        process::write(&mut page);
        page
    }

    /// Keeps the memory that samples take small, and the lag known, until the end.
    pub(crate) async fn keep_up(self, engine: Engine, end: CancellationToken) {
        let mut turns = tokio::time::interval(UPKEEP);
        loop {
            tokio::select! {
                () = end.cancelled() => return,
                _ = turns.tick() => {}
            }
            self.handle.run_upkeep();
            let found = engine.figures();
            let projected = found.leaves.saturating_sub(found.projection_lag);
            let mut lag = self.lag.lock().unwrap_or_else(PoisonError::into_inner);
            lag.look(Instant::now(), found.leaves, projected);
        }
    }
}

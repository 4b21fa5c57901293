//! Metrics: the recorder that everything in the process counts into, and the page that shows
//! it.

mod catalog;
mod process;
mod recorder;

use std::sync::Arc;
use std::time::Duration;

use caracal_engine::MetricsSource;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use crate::failure::Outcome;

/// How often samples move from where they are recorded into their buckets. Until then each
/// takes a few bytes.
const UPKEEP: Duration = Duration::from_secs(1);

/// The metrics of the process.
#[derive(Clone)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Begins to count, once per process, before anything asks for a counter.
    pub(crate) fn install() -> Outcome<Self> {
        let handle = recorder::install()?;
        catalog::describe();
        process::note_start();
        Ok(Self(handle))
    }

    /// What the doors show. `trust_loopback` is false behind a proxy on this machine.
    pub(crate) fn source(&self, trust_loopback: bool) -> MetricsSource {
        let handle = self.0.clone();
        MetricsSource {
            writer: Arc::new(move |_engine| {
                let mut page = handle.render();
                process::write(&mut page);
                page
            }),
            trust_loopback,
        }
    }

    /// Keeps the memory that samples take small, until the end.
    pub(crate) async fn keep_up(self, end: CancellationToken) {
        let mut turns = tokio::time::interval(UPKEEP);
        loop {
            tokio::select! {
                () = end.cancelled() => return,
                _ = turns.tick() => self.0.run_upkeep(),
            }
        }
    }
}

//! The load: connections that are kept alive, each with one call after another.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::cpu::CpuMeter;
use crate::http_call::{Connection, HttpCall};
use crate::latency::Latency;

/// How long an answer may be late at the end before the run is given up.
const GRACE: Duration = Duration::from_secs(15);
/// A server that refuses everything is not asked faster than this.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(5);

/// How much load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// How many connections.
    pub(crate) connections: usize,
    /// How long before anything counts.
    pub(crate) warm_up: Duration,
    /// How long it counts.
    pub(crate) measured: Duration,
}

/// What came of it.
pub(crate) struct Measured {
    /// How long it really counted.
    pub(crate) elapsed: Duration,
    /// The right answers that ended in that time.
    pub(crate) latency: Latency,
    /// The calls that failed at any time, also while warming up.
    pub(crate) errors: u64,
    /// The first of them.
    pub(crate) first_error: Option<String>,
    /// Processor time that the measured processes used meanwhile.
    pub(crate) cpu: Duration,
}

#[derive(Clone, Copy)]
struct Window {
    start: Instant,
    end: Instant,
}

struct Worked {
    latency: Latency,
    errors: u64,
    first_error: Option<String>,
}

impl Load {
    /// Puts the load on, and watches the processor time of `meter`.
    pub(crate) async fn run(self, call: &HttpCall, meter: &CpuMeter) -> Result<Measured> {
        let start = Instant::now() + self.warm_up;
        let window = Window {
            start,
            end: start + self.measured,
        };
        let tracker = TaskTracker::new();
        let mut workers = JoinSet::new();
        for _ in 0..self.connections {
            workers.spawn(work(call.clone(), window, tracker.clone()));
        }
        tokio::time::sleep_until(window.start.into()).await;
        let before = meter.used()?;
        tokio::time::sleep_until(window.end.into()).await;
        let cpu = meter.used()?.saturating_sub(before);

        let mut measured = Measured {
            elapsed: self.measured,
            latency: Latency::new()?,
            errors: 0,
            first_error: None,
            cpu,
        };
        let deadline = tokio::time::Instant::now() + GRACE;
        while let Some(worked) = tokio::time::timeout_at(deadline, workers.join_next())
            .await
            .context("an answer did not come")?
        {
            let worked = worked.context("the load broke down")??;
            measured.latency.add(&worked.latency)?;
            measured.errors += worked.errors;
            measured.first_error = measured.first_error.or(worked.first_error);
        }
        if measured.latency.count() == 0 {
            let why = measured.first_error.as_deref().unwrap_or("all too late");
            bail!("no call succeeded: {why}");
        }
        Ok(measured)
    }
}

/// One connection's work; a call counts when it began and ended within the window.
async fn work(call: HttpCall, window: Window, tracker: TaskTracker) -> Result<Worked> {
    let mut worked = Worked {
        latency: Latency::new()?,
        errors: 0,
        first_error: None,
    };
    let mut open: Option<Connection> = None;
    loop {
        let began = Instant::now();
        if began >= window.end {
            return Ok(worked);
        }
        match once(&mut open, &call, &tracker).await {
            Ok(()) => {
                let ended = Instant::now();
                if began >= window.start && ended <= window.end {
                    worked.latency.record(ended.duration_since(began));
                }
            }
            Err(error) => {
                worked.errors += 1;
                worked.first_error.get_or_insert(format!("{error:#}"));
                open = None;
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}

async fn once(open: &mut Option<Connection>, call: &HttpCall, tracker: &TaskTracker) -> Result<()> {
    if open.is_none() {
        *open = Some(call.connect(tracker).await?);
    }
    match open {
        Some(connection) => connection.call(call).await,
        None => bail!("there is no connection"),
    }
}

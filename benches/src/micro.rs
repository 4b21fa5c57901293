//! The organs by themselves, in this process.

mod append;
mod engine;
mod mandates;
mod policy;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::latency::Latency;
use crate::report::MicroFigures;

pub(crate) use policy::growth as policy_growth;

/// Measures each for `time`; files lie in `directory` meanwhile.
pub(crate) async fn run(time: Duration, directory: &Path) -> Result<Vec<MicroFigures>> {
    let mut figures = policy::run(time)?;
    figures.extend(mandates::run(time)?);
    figures.extend(engine::run(time).await?);
    figures.push(append::run(time, directory).await?);
    Ok(figures)
}

/// Does it again and again for `time`. What takes less than a microsecond is timed in groups,
/// since looking at the clock takes a part of that.
fn repeat<T>(name: &str, time: Duration, mut once: impl FnMut() -> T) -> Result<MicroFigures> {
    let begin = Instant::now();
    while begin.elapsed() < time / 4 {
        black_box(once());
    }
    let probe = Instant::now();
    black_box(once());
    let group: u32 = if probe.elapsed() < Duration::from_micros(2) {
        32
    } else {
        1
    };
    let mut latency = Latency::new()?;
    let begin = Instant::now();
    while begin.elapsed() < time {
        let start = Instant::now();
        for _ in 0..group {
            black_box(once());
        }
        latency.record(start.elapsed() / group);
    }
    let elapsed = begin.elapsed();
    Ok(figures(name, &latency, u64::from(group), elapsed))
}

fn figures(name: &str, latency: &Latency, group: u64, elapsed: Duration) -> MicroFigures {
    MicroFigures {
        name: name.to_owned(),
        per_second: (latency.count() * group) as f64 / elapsed.as_secs_f64(),
        p50_us: latency.quantile_us(0.5),
        p99_us: latency.quantile_us(0.99),
    }
}

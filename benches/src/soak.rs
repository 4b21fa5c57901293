//! Saturation for minutes: flat memory, no error, an index that keeps up, a ledger that verifies.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::arguments::Options;
use crate::child::Part;
use crate::cpu::CpuMeter;
use crate::latency::median;
use crate::load::Load;
use crate::measure::{Aim, Measure};
use crate::memory::resident_mib;
use crate::stack::{KEY, Stack};

/// How many connections call at the same time.
const CONNECTIONS: usize = 64;
/// A slice of the load; each begins with a fresh mandate.
const SLICE: Duration = Duration::from_secs(10);
/// Memory may be larger in the last quarter than in the second by this much.
const GROWTH_MIB: f64 = 24.0;

/// Calls without a pause, and what is left of it.
pub(crate) async fn run(options: &Options, minutes: u64) -> Result<Vec<Measure>> {
    let upstream = Part::start(&["upstream", "--key", KEY])?;
    let home = options.directory()?.join("home");
    let stack = Stack::start(&options.binary()?, &home, upstream.address)?;
    let meter = CpuMeter::new(vec![stack.pid]);
    let (mut calls, mut errors, mut memory) = (0, 0, Vec::new());
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(minutes * 60) {
        let call = stack.governed_call().await?;
        let load = Load {
            connections: CONNECTIONS,
            warm_up: Duration::ZERO,
            measured: SLICE,
        };
        let measured = load.run(&call, &meter).await?;
        calls += measured.latency.count();
        errors += measured.errors;
        memory.push(resident_mib(stack.pid)?);
        println!(
            "{:>5.0} s  {:>8.0} calls/s  p99 {:>7.0} µs  {:>6.1} MiB  {} errors{}",
            begun.elapsed().as_secs_f64(),
            measured.latency.count() as f64 / SLICE.as_secs_f64(),
            measured.latency.quantile_us(0.99),
            memory.last().copied().unwrap_or_default(),
            measured.errors,
            measured
                .first_error
                .map(|error| format!(": {error}"))
                .unwrap_or_default(),
        );
    }
    let took = begun.elapsed();
    // A search answers when the index has everything that was acknowledged before it.
    let behind = Instant::now();
    stack.command(&["audit", "list", "--limit", "1", "--json"])?;
    let behind = behind.elapsed();
    let verified = Instant::now();
    let report = stack.command(&["audit", "verify", "--json"])?;
    let verified = verified.elapsed();
    let events = report
        .get("events")
        .and_then(Value::as_f64)
        .unwrap_or_default();
    let ok = report.get("ok").and_then(Value::as_bool) == Some(true);
    let enough = events >= calls as f64 * 2.0;
    println!("ledger: {report} in {:.1} s", verified.as_secs_f64());
    Ok(vec![
        Measure::of(
            "soak: calls a second",
            calls as f64 / took.as_secs_f64(),
            "",
        ),
        Measure::of("soak: calls that failed", errors as f64, "").aiming(Aim::AtMost(0.0)),
        Measure::of(
            "soak: memory, last quarter above the second",
            growth(&memory)?,
            "MiB",
        )
        .aiming(Aim::AtMost(GROWTH_MIB)),
        Measure::of(
            "soak: the index is behind at the end, with the command's own time",
            behind.as_secs_f64(),
            "s",
        )
        .aiming(Aim::AtMost(1.0)),
        Measure::of(
            "soak: the ledger verifies and has two events a call",
            f64::from(u8::from(ok && enough)),
            "",
        )
        .aiming(Aim::AtLeast(1.0)),
    ])
}

/// The median of the last quarter less that of the second: the first is warming up.
fn growth(samples: &[f64]) -> Result<f64> {
    let quarter = (samples.len() / 4).max(1);
    let second = samples
        .iter()
        .skip(quarter)
        .take(quarter)
        .copied()
        .collect();
    let last = samples.iter().rev().take(quarter).copied().collect();
    let middle = |values| median(values).context("too few samples: soak for longer");
    Ok(middle(last)? - middle(second)?)
}

#[cfg(test)]
mod tests {
    use super::growth;

    #[test]
    fn growth_is_from_the_second_quarter_to_the_last() {
        assert!(
            (growth(&[10.0, 90.0, 50.0, 50.0, 52.0, 51.0, 53.0, 55.0]).unwrap() - 4.0).abs() < 0.01
        );
        assert!(growth(&[1.0]).is_err());
    }
}

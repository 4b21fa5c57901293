//! How much memory the server takes.

use anyhow::{Context, Result};

use crate::arguments::Options;
use crate::child::Part;
use crate::cpu::CpuMeter;
use crate::load::Load;
use crate::measure::{Aim, Measure};
use crate::stack::{KEY, Stack};

/// What an idle server may take.
const IDLE_MIB: f64 = 60.0;

/// A server that was just started, and the same under load.
pub(crate) async fn run(options: &Options) -> Result<Vec<Measure>> {
    let upstream = Part::start(&["upstream", "--key", KEY])?;
    let home = options.directory()?.join("home");
    let stack = Stack::start(&options.binary()?, &home, upstream.address)?;
    let call = stack.governed_call().await?;
    let meter = CpuMeter::new(vec![stack.pid]);
    meter.settle().await?;
    let idle = resident_mib(stack.pid)?;
    let load = Load {
        connections: 64,
        warm_up: options.warm_up(),
        measured: options.measured(),
    };
    load.run(&call, &meter).await?;
    let busy = resident_mib(stack.pid)?;
    meter.settle().await?;
    let after = resident_mib(stack.pid)?;
    Ok(vec![
        Measure::of("memory of an idle server", idle, "MiB").aiming(Aim::AtMost(IDLE_MIB)),
        Measure::of("memory at the end of a load of 64 connections", busy, "MiB"),
        Measure::of("memory after it", after, "MiB"),
    ])
}

/// What the process has in memory now, in MiB.
pub(crate) fn resident_mib(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("the process {pid} is gone"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: Option<f64> = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    Ok(kib.context("the process does not tell its memory")? / 1024.0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_takes_some() {
        let before = super::resident_mib(std::process::id()).unwrap();
        let block = vec![1_u8; 64 << 20];
        let after = super::resident_mib(std::process::id()).unwrap();
        assert!(
            before > 0.5 && after > before + 32.0,
            "{before} {after} {}",
            block.len()
        );
    }
}

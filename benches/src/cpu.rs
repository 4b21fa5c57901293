//! Processor time of processes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Processes whose processor time is added up.
#[derive(Debug, Clone)]
pub(crate) struct CpuMeter {
    pids: Vec<u32>,
}

impl CpuMeter {
    /// Of these processes, without their children.
    pub(crate) fn new(pids: Vec<u32>) -> Self {
        Self { pids }
    }

    /// What they used since they began, in user and kernel mode, to a tick (10 ms).
    pub(crate) fn used(&self) -> Result<Duration> {
        self.pids.iter().map(|pid| used(*pid)).sum()
    }

    /// Waits until they are at rest, at most ten seconds, and returns what they used until
    /// then: work that a load left behind belongs to that load, not to the next.
    pub(crate) async fn settle(&self) -> Result<Duration> {
        let (begin, mut last) = (Instant::now(), self.used()?);
        let first = last;
        while begin.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let now = self.used()?;
            if now.saturating_sub(last) <= Duration::from_millis(10) {
                return Ok(now.saturating_sub(first));
            }
            last = now;
        }
        Ok(last.saturating_sub(first))
    }
}

fn used(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("the process {pid} is gone"))?;
    let ticks = ticks(&stat).with_context(|| format!("`/proc/{pid}/stat` is not understood"))?;
    let second = rustix::param::clock_ticks_per_second().max(1);
    Ok(Duration::from_secs_f64(ticks as f64 / second as f64))
}

/// `utime + stime`: the 14th and 15th field. The second one, the name, may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

#[cfg(test)]
mod tests {
    use super::{CpuMeter, ticks};

    #[test]
    fn the_name_of_a_process_does_not_mislead() {
        let stat = "1 (a) 9 (b) S 0 1 1 0 -1 4194560 1 2 3 4 70 30 5 6 20 0 1 0 9 9";
        assert_eq!(ticks(stat), Some(100));
        assert_eq!(ticks("1 (a) S 0"), None);
    }

    #[test]
    fn this_process_has_used_some() {
        let meter = CpuMeter::new(vec![std::process::id()]);
        let before = meter.used().unwrap();
        let mut sum = 0_u64;
        while meter.used().unwrap() == before {
            sum = sum.wrapping_add(1);
        }
        assert!(sum > 0);
        assert!(CpuMeter::new(vec![u32::MAX]).used().is_err());
    }
}

//! What was measured on.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::fsync;

/// Facts without which no figure means anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Processors that this process may use.
    pub(crate) cores: usize,
    /// The processor's name.
    pub(crate) processor: String,
    /// The kernel's version.
    pub(crate) kernel: String,
    /// Median of an append of 512 bytes with `fdatasync`, in microseconds.
    pub(crate) fsync_p50_us: f64,
    /// The 99th percentile of it.
    pub(crate) fsync_p99_us: f64,
}

impl Machine {
    /// This machine, and its disk at this directory.
    pub(crate) fn look(directory: &Path) -> Result<Self> {
        let disk = fsync::measure(directory)?;
        let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let name = information.lines().find_map(|line| {
            let (key, name) = line.split_once(':')?;
            (key.trim() == "model name").then(|| name.trim().to_owned())
        });
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: name.unwrap_or_else(|| "unknown processor".to_owned()),
            kernel: kernel.trim().to_owned(),
            fsync_p50_us: disk.quantile_us(0.5),
            fsync_p99_us: disk.quantile_us(0.99),
        })
    }
}

/// The checked-out revision, with a `+` when files differ from it; none outside a checkout.
pub(crate) fn find_revision() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    };
    let revision = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    let mark = if changed.is_empty() { "" } else { "+" };
    Some(format!("{revision}{mark}"))
}

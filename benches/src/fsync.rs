//! What the disk takes to keep something.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::latency::Latency;

/// How often it is tried.
pub(crate) const TIMES: u32 = 500;
/// How many bytes are written each time.
pub(crate) const BYTES: usize = 512;

/// How long an append of 512 bytes with `fdatasync` takes in this directory.
pub(crate) fn measure(directory: &Path) -> Result<Latency> {
    let path = directory.join("fsync");
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(&path)
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    let mut latency = Latency::new()?;
    for _ in 0..TIMES {
        let began = Instant::now();
        file.write_all(&[b'x'; BYTES]).context("cannot write")?;
        file.sync_data().context("cannot sync")?;
        latency.record(began.elapsed());
    }
    std::fs::remove_file(&path).context("cannot remove the file")?;
    Ok(latency)
}

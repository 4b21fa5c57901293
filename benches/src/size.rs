//! How large the binary is that people get.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::arguments::Options;
use crate::measure::{Aim, Measure};

/// What it may take.
const MIB: f64 = 40.0;

/// The measured binary without its symbols. The one that is handed out is smaller still: it is
/// optimised as a whole (`cargo xtask dist`).
pub(crate) fn run(options: &Options) -> Result<Vec<Measure>> {
    let stripped = options.directory()?.join("stripped");
    let status = Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(options.binary()?)
        .status()
        .context("`strip` is missing; it comes with the C compiler")?;
    if !status.success() {
        bail!("`strip` failed");
    }
    let bytes = stripped
        .metadata()
        .context("the stripped binary is gone")?
        .len();
    std::fs::remove_file(&stripped).context("the stripped binary cannot be removed")?;
    let mib = bytes as f64 / 1024.0 / 1024.0;
    Ok(vec![
        Measure::of("binary, stripped", mib, "MiB").aiming(Aim::AtMost(MIB)),
    ])
}

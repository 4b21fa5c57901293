//! Where the project lies on this machine.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// The workspace's root directory.
pub(crate) fn root() -> Result<PathBuf> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Ok(manifest
        .parent()
        .context("the xtask crate has no parent directory")?
        .to_owned())
}

/// The target directory of the build that runs now; `CARGO_TARGET_DIR` is followed as cargo follows it.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let root = root()?;
    Ok(match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) if !dir.is_empty() => root.join(dir),
        _ => root.join("target"),
    })
}

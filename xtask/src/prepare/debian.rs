//! Debian's package manager.

use std::path::Path;

use anyhow::{Result, bail};

use crate::program;

/// Installs packages as root; anyone else gets the line to run.
pub(super) fn install(root: &Path, packages: &[&str]) -> Result<()> {
    let line = format!(
        "apt-get update && apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    let is_root =
        program::find_output(program::command("id", root).arg("-u")).as_deref() == Some("0");
    let has_apt =
        program::find_output(program::command("apt-get", root).arg("--version")).is_some();
    if !is_root || !has_apt {
        bail!("the tests need packages that are not here; install them with `{line}`");
    }
    program::run(program::command("apt-get", root).args(["-q", "update"]))?;
    program::run(
        program::command("apt-get", root)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-q", "install", "-y", "--no-install-recommends"])
            .args(packages),
    )
}

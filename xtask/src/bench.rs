//! How fast it is.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::{program, workspace};

/// Builds the server and the benchmarks in release, then becomes `caracal-bench run`, which
/// says what its arguments are with `--help`.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let root = workspace::root()?;
    program::run(program::cargo(&root).args([
        "build",
        "--release",
        "--package",
        "caracal",
        "--package",
        "caracal-benches",
    ]))?;
    let target = workspace::target_dir()?;
    let binary = target.join("release/caracal-bench");
    // Only returns when the binary could not be started. The working directory stays the
    // caller's, so that `--compare FILE` means what it says.
    let error = Command::new(&binary)
        .arg("run")
        .arg("--directory")
        .arg(target.join("bench"))
        .args(arguments)
        .exec();
    Err(error).with_context(|| format!("cannot start `{}`", binary.display()))
}

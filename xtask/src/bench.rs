//! How fast it is.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::{program, workspace};

/// Builds the server and the benchmarks in release, then becomes `caracal-bench run`, which
/// says what its arguments are with `--help`.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let mut bench = command(arguments)?;
    // Only returns when the binary could not be started. The working directory stays the
    // caller's, so that `--compare FILE` means what it says.
    let error = bench.exec();
    Err(error).with_context(|| format!("cannot start `{}`", program::line(&bench)))
}

/// The same as a step of a longer task.
///
/// # Errors
/// When it fails, which a soak does for an aim that is missed.
pub(crate) fn measure(arguments: &[String]) -> Result<()> {
    program::run(&mut command(arguments)?)
}

fn command(arguments: &[String]) -> Result<Command> {
    build(&workspace::root()?)?;
    let target = workspace::target_dir()?;
    let mut bench = Command::new(target.join("release/caracal-bench"));
    bench
        .arg("run")
        .arg("--directory")
        .arg(target.join("bench"))
        .args(arguments);
    Ok(bench)
}

fn build(root: &Path) -> Result<()> {
    program::run(program::cargo(root).args([
        "build",
        "--release",
        "--package",
        "caracal",
        "--package",
        "caracal-benches",
    ]))
}

//! From a checkout to one allowed, one denied and one revoked call.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::{program, workspace};

/// Builds the console and the binary, then becomes `caracal quickstart`, which starts the stack when none runs.
///
/// The environment is passed through, so `CARACAL_HOME` and the `CARACAL_*_LISTEN`
/// settings hold here as everywhere; the exit code is that of the binary.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let root = workspace::root()?;
    build_console(&root)?;
    program::run(program::cargo(&root).args(["build", "--release", "--package", "caracal"]))?;
    let binary = workspace::target_dir()?.join("release/caracal");
    // Only returns when the binary could not be started. Standard input and the
    // working directory stay the caller's.
    let error = Command::new(&binary)
        .arg("quickstart")
        .args(arguments)
        .exec();
    Err(error).with_context(|| format!("cannot start `{}`", binary.display()))
}

/// Builds the console's assets where the checkout has a console, before the binary that embeds them.
fn build_console(root: &Path) -> Result<()> {
    let console = root.join("console");
    if !console.join("package.json").exists() {
        return Ok(());
    }
    program::run(program::command("npm", &console).args(["ci", "--no-audit", "--no-fund"]))?;
    program::run(program::command("npm", &console).args(["run", "build"]))
}

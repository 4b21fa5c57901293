//! The Python environment in which unmodified public packages talk to Caracal.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::program;

const CLIENTS: &str = "tests/clients/python";

/// The Debian packages that bring Python with `venv`, when this machine has none that works.
pub(super) fn missing_packages(root: &Path) -> &'static [&'static str] {
    let check = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
    match program::find_output(program::command("python3", root).args(["-c", check])) {
        Some(_) => &[],
        None => &["python3", "python3-venv"],
    }
}

/// Makes the environment, or makes it anew when the pinned list or Python itself changed.
pub(super) fn prepare(root: &Path, target: &Path) -> Result<PathBuf> {
    let requirements = root.join(CLIENTS).join("requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read `{}`", requirements.display()))?;
    let version = program::find_output(program::command("python3", root).arg("--version"))
        .unwrap_or_default();
    let stamp_text = format!("# {version}\n{wanted}");

    let environment = target.join("test-venv");
    let python = environment.join("bin/python");
    let stamp = environment.join("requirements.stamp");
    let current = fs::read_to_string(&stamp).is_ok_and(|text| text == stamp_text)
        && program::find_output(program::command(&python, root).arg("--version")).is_some();
    if !current {
        program::run(
            program::command("python3", root)
                .args(["-m", "venv", "--clear"])
                .arg(&environment),
        )?;
        // The list names every package with its version, so nothing is resolved here.
        program::run(
            program::command(&python, root)
                .args(["-m", "pip", "install", "--quiet", "--no-input", "--no-deps"])
                .args(["--disable-pip-version-check", "--requirement"])
                .arg(&requirements),
        )?;
        program::run(program::command(&python, root).args(["-m", "pip", "check"]))?;
        fs::write(&stamp, stamp_text).context("cannot mark the Python environment as complete")?;
    }
    Ok(python)
}

/// Runs the clients' own tests.
pub(super) fn test(root: &Path, python: &Path) -> Result<()> {
    program::run(
        program::command(python, &root.join(CLIENTS))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .args(["-m", "unittest", "--quiet"]),
    )
}

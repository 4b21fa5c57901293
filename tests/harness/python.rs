//! Programs of other people's making, in Python.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Output;
use super::cli::run;

/// Runs a script of `tests/clients/python`, with this standard input and environment.
///
/// # Panics
/// When there is no Python with the pinned packages: a story is never skipped.
pub fn python(script: &str, arguments: &[&str], env: &[(&str, &str)], input: &str) -> Output {
    let mut command = python_command(script);
    command.args(arguments).envs(env.iter().copied());
    run(command, input.as_bytes())
}

/// The same, not yet started.
pub fn python_command(script: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = std::env::var_os("CARACAL_TEST_PYTHON")
        .map_or_else(|| root.join("target/test-venv/bin/python"), PathBuf::from);
    assert!(
        python.exists(),
        "there is no `{}`: run `cargo xtask setup`",
        python.display()
    );
    let mut command = Command::new(python);
    command
        .arg(root.join("tests/clients/python").join(script))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "*");
    command
}

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

/// Runs the tests of a package, with this environment more.
///
/// # Panics
/// When there is no Python with the pinned packages: a story is never skipped.
pub fn python_tests(package: &str, env: &[(String, String)]) -> Output {
    let (mut command, root) = interpreter();
    command
        .args(["-W", "error", "-m", "unittest", "discover", "-v", "tests"])
        .current_dir(root.join(package))
        .env("PYTHONPATH", root.join(package).join("src"))
        .envs(env.iter().map(|(name, value)| (name, value)));
    run(command, b"")
}

/// A script of `tests/clients/python`, not yet started.
pub fn python_command(script: &str) -> Command {
    let (mut command, root) = interpreter();
    command.arg(root.join("tests/clients/python").join(script));
    command
}

fn interpreter() -> (Command, PathBuf) {
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
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "*");
    (command, root)
}

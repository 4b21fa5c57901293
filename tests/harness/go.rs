//! Programs in Go.

use std::path::Path;
use std::process::Command;

use super::Output;
use super::cli::run;

/// Runs the tests of a module, with this environment more.
///
/// # Panics
/// When there is no Go: a story is never skipped.
pub fn go_tests(module: &str, env: &[(String, String)]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new("go");
    command
        .args(["test", "-v", "-count=1", "./..."])
        .current_dir(root.join(module))
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .env("NO_PROXY", "*")
        .envs(env.iter().map(|(name, value)| (name, value)));
    run(command, b"")
}

//! Programs in JavaScript, which `cargo xtask setup` has built.

use std::path::Path;
use std::process::Command;

use super::Output;
use super::cli::run;

/// Runs a script of a package's `package.json`, with this environment more.
///
/// # Panics
/// When the package was not built: a story is never skipped.
pub fn node_tests(package: &str, script: &str, env: &[(String, String)]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let package = root.join(package);
    assert!(
        package.join("dist").exists(),
        "there is no `{}/dist`: run `cargo xtask setup`",
        package.display()
    );
    let mut command = Command::new("npm");
    command
        .args(["run", "--silent", script])
        .current_dir(package)
        .env("NO_PROXY", "*")
        .envs(env.iter().map(|(name, value)| (name, value)));
    run(command, b"")
}

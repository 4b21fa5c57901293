//! Programs in JavaScript: packages that `cargo xtask setup` has built, and scripts that use other
//! people's.

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

/// Runs a script of `tests/clients/node`, with this environment more.
///
/// # Panics
/// When its packages are not there: a story is never skipped.
pub fn node(script: &str, arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients/node");
    assert!(
        clients.join("node_modules").exists(),
        "there is no `{}/node_modules`: run `cargo xtask setup`",
        clients.display()
    );
    let mut command = Command::new("node");
    command
        .arg(clients.join(script))
        .args(arguments)
        .env("NO_PROXY", "*")
        .envs(env.iter().copied());
    run(command, b"")
}

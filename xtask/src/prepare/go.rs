//! The transparency-log client, built on the Go project's own verifier.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::program;

const CLIENT: &str = "tests/clients/tlog";
/// The oldest Go that builds the client: what Debian 12 has.
const OLDEST: (u32, u32) = (1, 19);

/// The Debian package that brings Go, when this machine has none that is new enough.
pub(super) fn missing_packages(root: &Path) -> &'static [&'static str] {
    let version = program::find_output(go(root).args(["env", "GOVERSION"]));
    match version.as_deref().and_then(parse_version) {
        Some(version) if version >= OLDEST => &[],
        _ => &["golang-go"],
    }
}

/// Builds the client; the Go module cache and build cache make this quick from the second time on.
pub(super) fn prepare(root: &Path, target: &Path) -> Result<PathBuf> {
    let client = target.join("test-tools/tlogclient");
    let dir = client
        .parent()
        .context("the client's path has no directory")?;
    std::fs::create_dir_all(dir).context("cannot make the directory of the test tools")?;
    program::run(
        go(&root.join(CLIENT))
            .args(["build", "-o"])
            .arg(&client)
            .arg("."),
    )?;
    Ok(client)
}

/// Runs the client's own tests.
pub(super) fn test(root: &Path) -> Result<()> {
    program::run(go(&root.join(CLIENT)).args(["test", "./..."]))
}

/// Go with the committed sums as the only truth, and never another toolchain than the one installed.
fn go(dir: &Path) -> Command {
    let mut command = program::command("go", dir);
    command
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "0");
    command
}

/// `go1.19.8` → (1, 19).
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().strip_prefix("go")?.split(['.', ' ', '-']);
    let major = parts.next()?.parse().ok()?;
    // A release candidate reads `go1.26rc1`.
    let minor = parts.next()?;
    let digits = minor
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(minor.len());
    Some((major, minor.get(..digits)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{OLDEST, parse_version};

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(parse_version("go1.19.8"), Some((1, 19)));
        assert_eq!(parse_version("go1.26rc1"), Some((1, 26)));
        assert_eq!(parse_version("devel"), None);
        assert!(parse_version("go1.9") < Some(OLDEST));
        assert!(parse_version("go1.19") >= Some(OLDEST));
    }
}

//! Go: the transparency-log client, built on the Go project's own verifier, and our SDK.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::program;

const CLIENT: &str = "tests/clients/tlog";
const SDK: &str = "sdk/go";
/// The oldest Go that builds both. Debian 12 has an older one, so it is not installed for anybody.
const OLDEST: (u32, u32) = (1, 24);

/// Builds the client; the Go module cache and build cache make this quick from the second time on.
pub(super) fn prepare(root: &Path, target: &Path) -> Result<PathBuf> {
    let told = program::find_output(go(root).args(["env", "GOVERSION"]));
    let version = told.as_deref().and_then(parse_version);
    if version.is_none_or(|version| version < OLDEST) {
        let (major, minor) = OLDEST;
        let found = told.as_deref().unwrap_or("none");
        bail!("Go {major}.{minor} or later is needed, and there is {found}; see the README");
    }
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

/// Runs the tests of both that need no server.
pub(super) fn test(root: &Path) -> Result<()> {
    for package in [CLIENT, SDK] {
        let dir = root.join(package);
        program::run(go(&dir).args(["vet", "./..."]))?;
        program::run(go(&dir).args(["test", "./..."]))?;
    }
    Ok(())
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
        assert!(parse_version("go1.24.1") >= Some(OLDEST));
    }
}

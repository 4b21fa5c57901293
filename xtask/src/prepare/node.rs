//! The packages in TypeScript and JavaScript: their pinned dependencies, built.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::program;

/// The packages, each with its lock file.
const PACKAGES: &[&str] = &["sdk/typescript"];
/// Scripts that use other people's packages, unmodified; there is nothing to build.
const CLIENTS: &str = "tests/clients/node";
/// The oldest Node.js that runs them. Debian 12 has an older one, so it is not installed for anybody.
const OLDEST: (u32, u32) = (20, 18);

/// Installs what the lock files name, where they or Node.js changed, and builds.
pub(super) fn prepare(root: &Path, target: &Path) -> Result<()> {
    let told = program::find_output(program::command("node", root).arg("--version"));
    let version = told.as_deref().and_then(parse_version);
    if version.is_none_or(|version| version < OLDEST) {
        let (major, minor) = OLDEST;
        let found = told.as_deref().unwrap_or("none");
        bail!(
            "Node.js {major}.{minor} or later with npm is needed, and there is {found}; see the README"
        );
    }
    let version = told.unwrap_or_default();
    install(root, target, CLIENTS, &version)?;
    for package in PACKAGES {
        install(root, target, package, &version)?;
        program::run(
            program::command("npm", &root.join(package)).args(["run", "--silent", "build"]),
        )?;
    }
    Ok(())
}

/// Installs what a lock file names, unless that was done with this Node.js.
fn install(root: &Path, target: &Path, package: &str, version: &str) -> Result<()> {
    let dir = root.join(package);
    let lock = dir.join("package-lock.json");
    let wanted =
        fs::read_to_string(&lock).with_context(|| format!("cannot read `{}`", lock.display()))?;
    let wanted = format!("{version}\n{wanted}");
    let stamp = target.join(format!("test-tools/{}.stamp", package.replace('/', "-")));
    let is_there = dir.join("node_modules").exists();
    if !is_there || fs::read_to_string(&stamp).ok().as_deref() != Some(&wanted) {
        // No package runs a script of its own.
        program::run(
            program::command("npm", &dir)
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .arg("--silent"),
        )?;
        fs::write(&stamp, &wanted).context("cannot mark the packages as complete")?;
    }
    Ok(())
}

/// Runs the packages' own tests.
pub(super) fn test(root: &Path) -> Result<()> {
    for package in PACKAGES {
        let dir = root.join(package);
        program::run(program::command("npm", &dir).args(["test", "--silent"]))?;
    }
    Ok(())
}

/// `v20.18.1` → (20, 18).
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{OLDEST, parse_version};

    #[test]
    fn versions_compare_as_numbers() {
        assert!(parse_version("v20.9.0") < Some(OLDEST));
        assert!(parse_version("v20.18.1\n") >= Some(OLDEST));
        assert!(parse_version("v100.0.0") > Some(OLDEST));
        assert_eq!(parse_version("20.18.1"), None);
    }
}

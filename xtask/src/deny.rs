//! The rules of `deny.toml`, checked with a pinned cargo-deny.

use anyhow::Result;

use crate::{program, workspace};

const VERSION: &str = "0.20.2";

/// Runs cargo-deny; builds it first (a few minutes, kept in the target directory) when it is not there.
pub(crate) fn run() -> Result<()> {
    let root = workspace::root()?;
    let tools = workspace::target_dir()?.join("tools");
    let binary = tools.join("bin/cargo-deny");
    let present = program::find_output(program::command(&binary, &root).arg("--version"));
    if !present.is_some_and(|version| version.ends_with(VERSION)) {
        program::run(
            program::cargo(&root)
                .args(["install", "cargo-deny", "--locked", "--version", VERSION])
                .args(["--quiet", "--force", "--root"])
                .arg(&tools),
        )?;
    }
    // Advisories need a database from a git host; deny.toml says where they run.
    program::run(
        program::command(&binary, &root)
            .args(["--locked", "check", "--hide-inclusion-graph"])
            .args(["bans", "licenses", "sources"]),
    )
}

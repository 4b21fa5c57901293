//! What is handed out: the binary with its license and the list of what is in it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::{program, sbom, workspace};

/// The largest binary that we hand out.
const MAX_BINARY_BYTES: u64 = 40 * 1024 * 1024;

/// Builds the binary for this machine and packs `target/artefacts/caracal-VERSION-TARGET.tar.gz`,
/// with the list beside it as well.
pub(crate) fn run() -> Result<ExitCode> {
    let root = workspace::root()?;
    let target = host(&root)?;
    program::run(program::cargo(&root).args([
        "build",
        "--locked",
        "--profile",
        "dist",
        "--package",
        "caracal",
        "--target",
        &target,
    ]))?;
    let built = workspace::target_dir()?.join(&target).join("dist/caracal");
    let size = built.metadata().context("the binary is not there")?.len();
    if size > MAX_BINARY_BYTES {
        bail!("the binary has {size} bytes, more than {MAX_BINARY_BYTES}");
    }
    let name = format!("caracal-{}-{target}", env!("CARGO_PKG_VERSION"));
    let artefacts = workspace::target_dir()?.join("artefacts");
    let directory = artefacts.join(&name);
    std::fs::create_dir_all(&directory).context("no directory for the artefacts")?;
    let list = artefacts.join(format!("{name}.cdx.json"));
    write_list(&target, &list)?;
    for (from, to) in [
        (built.as_path(), "caracal"),
        (&root.join("LICENSE"), "LICENSE"),
        (&list, "caracal.cdx.json"),
    ] {
        std::fs::copy(from, directory.join(to))
            .with_context(|| format!("cannot copy `{}`", from.display()))?;
    }
    // The same files give the same bytes: no times, no names of people, one order.
    let archive = format!("{name}.tar.gz");
    program::run(
        program::command("tar", &artefacts)
            .args(["--create", "--file", &archive, "--sort=name", "--mtime=@0"])
            .args(["--owner=0", "--group=0", "--numeric-owner"])
            .args(["--use-compress-program=gzip -n", &name]),
    )?;
    println!(
        "{} ({:.1} MiB)",
        built.display(),
        size as f64 / 1024.0 / 1024.0
    );
    println!("{}", artefacts.join(archive).display());
    println!("{}", list.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes the list alone, to `target/artefacts/caracal.cdx.json`.
pub(crate) fn list() -> Result<ExitCode> {
    let artefacts = workspace::target_dir()?.join("artefacts");
    std::fs::create_dir_all(&artefacts).context("no directory for the artefacts")?;
    let path = artefacts.join("caracal.cdx.json");
    write_list(&host(&workspace::root()?)?, &path)?;
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}

fn write_list(target: &str, path: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(&sbom::document(target)?)?;
    std::fs::write(path, text + "\n").with_context(|| format!("cannot write `{}`", path.display()))
}

/// The target that this machine builds for.
fn host(root: &Path) -> Result<String> {
    let told =
        program::find_output(program::command("rustc", root).args(["--version", "--verbose"]));
    let told = told.context("`rustc` is missing")?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc` does not tell its host")?.to_owned())
}

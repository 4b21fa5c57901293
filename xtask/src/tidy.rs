//! The house rules as checks. Each finding says where, what, and what to do.

mod arrows;
mod documents;
mod finding;
mod hosts;
mod importers;
mod manifests;
mod sizes;
mod sources;
mod tree;

use std::process::ExitCode;

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;

use crate::workspace;
use finding::Finding;

/// Prints what was found; fails when it is anything.
pub(crate) fn run() -> Result<ExitCode> {
    let report = check()?;
    for note in &report.notes {
        println!("{note}");
    }
    for finding in &report.findings {
        println!("{finding}");
    }
    println!("tidy: {} findings", report.findings.len());
    Ok(if report.findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

struct Report {
    findings: Vec<Finding>,
    /// Worth a look, not an error.
    notes: Vec<String>,
}

fn check() -> Result<Report> {
    let root = workspace::root()?;
    let files = tree::read(&root)?;
    // Without dependencies this reads our manifests alone: no network, no lock.
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cannot read the workspace's metadata")?;
    let packages = manifests::packages(&root, &metadata)?;

    let mut findings = Vec::new();
    findings.extend(arrows::check(&packages));
    findings.extend(importers::check(&packages));
    findings.extend(manifests::check(&packages));
    findings.extend(documents::check(&files));
    let mut sizes = sizes::Sizes::default();
    for file in &files {
        findings.extend(sizes.check(file));
        findings.extend(sources::check(file));
        findings.extend(hosts::check(file));
    }
    findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Ok(Report {
        findings,
        notes: sizes.notes(),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_house_is_tidy() {
        let report = super::check().expect("the workspace can be read");
        let lines: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
    }
}

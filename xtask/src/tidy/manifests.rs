//! The workspace's manifests, and what each of them must say.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata};

use super::finding::Finding;

/// One crate of the workspace as its manifest states it.
pub(super) struct Package {
    pub(super) name: String,
    /// Path of the manifest from the workspace's root.
    pub(super) manifest: String,
    pub(super) text: String,
    pub(super) dependencies: Vec<Dependency>,
}

pub(super) struct Dependency {
    pub(super) name: String,
    /// Needed to test the crate, not to build it.
    pub(super) is_dev: bool,
    /// A crate of this workspace.
    pub(super) is_ours: bool,
}

impl Package {
    /// The manifest's line that names `dependency`; 1 when none does.
    pub(super) fn line_of(&self, dependency: &str) -> usize {
        self.text
            .lines()
            .position(|line| {
                line.strip_prefix(dependency)
                    .is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
            })
            .map_or(1, |index| index + 1)
    }
}

/// Reads the packages that `metadata` lists.
pub(super) fn packages(root: &Path, metadata: &Metadata) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for package in &metadata.packages {
        let path = package.manifest_path.as_std_path();
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        let manifest = path.strip_prefix(root).unwrap_or(path);
        packages.push(Package {
            name: package.name.to_string(),
            manifest: manifest.to_string_lossy().into_owned(),
            text,
            dependencies: package
                .dependencies
                .iter()
                .map(|dependency| Dependency {
                    name: dependency.name.clone(),
                    is_dev: dependency.kind == DependencyKind::Development,
                    is_ours: dependency.path.is_some(),
                })
                .collect(),
        });
    }
    Ok(packages)
}

/// Every crate takes the lints of the workspace.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let mut lines = package.text.lines().map(str::trim);
        let inherits = lines
            .by_ref()
            .skip_while(|line| *line != "[lints]")
            .skip(1)
            .find(|line| !line.is_empty() && !line.starts_with('#'))
            .is_some_and(|line| line.replace(' ', "") == "workspace=true");
        if !inherits {
            findings.push(Finding::new(
                &package.manifest,
                1,
                "the crate does not take the workspace's lints",
                "add `[lints]` with `workspace = true`",
            ));
        }
    }
    findings
}

#[cfg(test)]
pub(super) fn fake(name: &str, dependencies: &[(&str, bool)]) -> Package {
    let text: String = dependencies
        .iter()
        .map(|(name, _)| format!("{name}.workspace = true\n"))
        .collect();
    Package {
        name: name.to_owned(),
        manifest: format!("crates/{name}/Cargo.toml"),
        text: format!("[lints]\nworkspace = true\n{text}"),
        dependencies: dependencies
            .iter()
            .map(|(name, is_dev)| Dependency {
                name: (*name).to_owned(),
                is_dev: *is_dev,
                is_ours: name.starts_with("caracal"),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{check, fake};

    #[test]
    fn a_crate_must_take_the_lints() {
        let mut package = fake("caracal-core", &[]);
        assert!(check(std::slice::from_ref(&package)).is_empty());
        package.text = "[lints]\n[dependencies]\nworkspace = true\n".to_owned();
        assert_eq!(check(&[package]).len(), 1);
    }
}

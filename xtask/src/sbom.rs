//! What ships in the binary, as a CycloneDX document.
//!
//! Which crates those are is cargo's answer, not ours: `cargo tree` resolves features for this
//! package and target alone, without what only builds or tests it. The same lock file gives the
//! same bytes: no time, no random serial number.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{program, workspace};

/// Separates the fields of a line; no name, version or license has it.
const BETWEEN: char = '|';

/// A crate that is linked into the binary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Component {
    name: String,
    version: String,
    license: String,
}

impl Component {
    fn purl(&self) -> String {
        format!(
            "pkg:cargo/{}@{}",
            self.name,
            self.version.replace('+', "%2B")
        )
    }

    /// An SPDX expression; older crates write `/` for `OR`.
    fn licenses(&self) -> Value {
        let expression = self.license.replace('/', " OR ");
        json!([{ "expression": expression }])
    }
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// The document of the binary for a target.
///
/// # Errors
/// When cargo cannot resolve it, or a crate is not in the lock file or has no license.
pub(crate) fn document(target: &str) -> Result<Value> {
    let root = workspace::root()?;
    let tree = program::find_output(
        program::cargo(&root)
            .args([
                "tree",
                "--locked",
                "--package",
                "caracal",
                "--target",
                target,
            ])
            .args(["--edges", "normal,no-proc-macro", "--prefix", "depth"])
            .args(["--format", &format!("{BETWEEN}{{p}}{BETWEEN}{{l}}")]),
    )
    .context("`cargo tree` failed; run it to see why")?;
    let lock = root.join("Cargo.lock");
    let lock = std::fs::read_to_string(&lock).context("there is no `Cargo.lock`")?;
    let lock: Lock = toml::from_str(&lock).context("`Cargo.lock` is not understood")?;
    let (root, graph) = read_tree(&tree)?;
    let mut components = Vec::new();
    for component in graph.keys().filter(|component| **component != root) {
        let locked = lock
            .package
            .iter()
            .find(|p| p.name == component.name && p.version == component.version)
            .with_context(|| format!("`{}` is not in the lock file", component.purl()))?;
        if component.license.is_empty() {
            bail!("`{}` names no license", component.purl());
        }
        let mut entry = json!({
            "type": "library",
            "bom-ref": component.purl(),
            "name": component.name,
            "version": component.version,
            "licenses": component.licenses(),
            "purl": component.purl(),
        });
        if let (Some(checksum), Some(fields)) = (&locked.checksum, entry.as_object_mut()) {
            fields.insert(
                "hashes".to_owned(),
                json!([{ "alg": "SHA-256", "content": checksum }]),
            );
        }
        components.push(entry);
    }
    let dependencies: Vec<Value> = graph
        .iter()
        .map(|(component, on)| {
            let on: BTreeSet<String> = on.iter().map(Component::purl).collect();
            json!({ "ref": component.purl(), "dependsOn": on })
        })
        .collect();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "lifecycles": [{ "phase": "build" }],
            "component": {
                "type": "application",
                "bom-ref": root.purl(),
                "name": root.name,
                "version": root.version,
                "licenses": root.licenses(),
                "purl": root.purl(),
            },
            "properties": [{ "name": "cargo:target", "value": target }],
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// The root and each crate with what it depends on. A line is `DEPTH|NAME vVERSION …|LICENSE`,
/// parents before children; a crate that came before ends with `(*)` and has no children.
fn read_tree(tree: &str) -> Result<(Component, BTreeMap<Component, BTreeSet<Component>>)> {
    let mut graph: BTreeMap<Component, BTreeSet<Component>> = BTreeMap::new();
    let mut path: Vec<Component> = Vec::new();
    for line in tree.lines() {
        let read = || {
            let mut fields = line.split(BETWEEN);
            let depth: usize = fields.next()?.parse().ok()?;
            let mut words = fields.next()?.split(' ');
            let name = words.next()?.to_owned();
            let version = words.next()?.strip_prefix('v')?.to_owned();
            let license = fields.next()?.trim_end_matches(" (*)").trim().to_owned();
            Some((
                depth,
                Component {
                    name,
                    version,
                    license,
                },
            ))
        };
        let (depth, component) = read().with_context(|| format!("`{line}` is not understood"))?;
        path.truncate(depth);
        if let Some(parent) = path.last() {
            graph
                .entry(parent.clone())
                .or_default()
                .insert(component.clone());
        }
        graph.entry(component.clone()).or_default();
        path.push(component);
    }
    let root = path
        .into_iter()
        .next()
        .context("`cargo tree` printed nothing")?;
    Ok((root, graph))
}

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, MetadataCommand};
use serde_json::Value;

use super::{document, read_tree};
use crate::workspace;

const TARGET: &str = "x86_64-unknown-linux-gnu";

fn refs(document: &Value) -> Vec<String> {
    let components = document["components"].as_array().unwrap();
    let refs = components
        .iter()
        .map(|c| c["purl"].as_str().unwrap().to_owned());
    refs.collect()
}

/// What is reachable from the binary over normal dependencies, by cargo's other account of it,
/// which is wider: it unites the features of the whole workspace.
fn reachable() -> BTreeSet<String> {
    let metadata = MetadataCommand::new()
        .manifest_path(workspace::root().unwrap().join("Cargo.toml"))
        .other_options(["--locked", "--filter-platform", TARGET].map(str::to_owned))
        .exec()
        .unwrap();
    let nodes = metadata.resolve.unwrap().nodes;
    let binary = metadata
        .packages
        .iter()
        .find(|p| p.name.as_str() == "caracal")
        .unwrap();
    let (mut open, mut seen) = (vec![binary.id.clone()], BTreeSet::new());
    while let Some(id) = open.pop() {
        let node = nodes.iter().find(|node| node.id == id).unwrap();
        for dependency in &node.deps {
            let normal = dependency
                .dep_kinds
                .iter()
                .any(|k| k.kind == DependencyKind::Normal);
            if normal && seen.insert(dependency.pkg.clone()) {
                open.push(dependency.pkg.clone());
            }
        }
    }
    let packages = metadata.packages.iter().filter(|p| seen.contains(&p.id));
    packages
        .map(|p| format!("pkg:cargo/{}@{}", p.name, p.version).replace('+', "%2B"))
        .collect()
}

#[test]
fn every_crate_that_ships_is_there_once_and_no_other() {
    let document = document(TARGET).unwrap();
    let refs = refs(&document);
    let set: BTreeSet<String> = refs.iter().cloned().collect();
    assert_eq!(set.len(), refs.len(), "a crate is listed twice");
    let reachable = reachable();
    let strangers: Vec<_> = set.difference(&reachable).collect();
    assert!(strangers.is_empty(), "not of the binary: {strangers:?}");
    // What the wider account has more are procedural macros and features of tests; if it were
    // much, this list would be wrong.
    assert!(
        set.len() * 10 >= reachable.len() * 7,
        "{} of {}",
        set.len(),
        reachable.len()
    );
    let has = |name: &str| {
        set.iter()
            .any(|purl| purl.starts_with(&format!("pkg:cargo/{name}@")))
    };
    for shipped in [
        "caracal-engine",
        "cedar-policy-core",
        "rusqlite",
        "libsqlite3-sys",
        "rustls",
    ] {
        assert!(has(shipped), "`{shipped}` ships");
    }
    for other in [
        "caracal",
        "caracal-testkit",
        "proptest",
        "rcgen",
        "cc",
        "syn",
        "serde_derive",
    ] {
        assert!(!has(other), "`{other}` does not ship beside the binary");
    }
}

#[test]
fn each_has_a_license_and_what_is_from_outside_its_checksum() {
    let document = document(TARGET).unwrap();
    for component in document["components"].as_array().unwrap() {
        let license = component["licenses"][0]["expression"].as_str().unwrap();
        assert!(!license.is_empty() && !license.contains('/'), "{component}");
        let ours = component["name"].as_str().unwrap().starts_with("caracal-");
        let hash = component["hashes"][0]["content"].as_str();
        assert_eq!(hash.map(str::len), (!ours).then_some(64), "{component}");
    }
}

#[test]
fn the_graph_names_only_what_is_listed_and_the_bytes_are_the_same_each_time() {
    let first = document(TARGET).unwrap();
    let mut known: BTreeSet<String> = refs(&first).into_iter().collect();
    known.insert(
        first["metadata"]["component"]["bom-ref"]
            .as_str()
            .unwrap()
            .to_owned(),
    );
    for dependency in first["dependencies"].as_array().unwrap() {
        let on = dependency["dependsOn"].as_array().unwrap();
        for name in on.iter().chain([&dependency["ref"]]) {
            assert!(known.contains(name.as_str().unwrap()), "{name}");
        }
    }
    assert_eq!(first.to_string(), document(TARGET).unwrap().to_string());
}

#[test]
fn the_tree_is_read_by_its_depths() {
    let tree = "0|a v1.0.0 (/x)|Apache-2.0\n1|b v2.0.0|MIT/Apache-2.0\n2|c v3.0.0+4|MIT\n\
                1|c v3.0.0+4|MIT (*)";
    let (root, graph) = read_tree(tree).unwrap();
    assert_eq!(root.purl(), "pkg:cargo/a@1.0.0");
    let edges: Vec<(String, Vec<String>)> = graph
        .iter()
        .map(|(c, on)| {
            (
                c.name.clone(),
                on.iter().map(super::Component::purl).collect(),
            )
        })
        .collect();
    let c = "pkg:cargo/c@3.0.0%2B4".to_owned();
    assert_eq!(
        edges,
        [
            (
                "a".to_owned(),
                vec!["pkg:cargo/b@2.0.0".to_owned(), c.clone()]
            ),
            ("b".to_owned(), vec![c]),
            ("c".to_owned(), vec![]),
        ]
    );
    assert!(read_tree("0|a|MIT").is_err() && read_tree("").is_err());
}

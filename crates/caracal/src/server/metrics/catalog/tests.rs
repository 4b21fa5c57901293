use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// What the page shows, with what is written without the recorder.
fn known() -> BTreeSet<String> {
    let all = [COUNTERS, GAUGES, HISTOGRAMS].concat();
    let mut known: BTreeSet<String> = all.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(known.len(), all.len(), "something is named twice");
    let mut process = String::new();
    crate::server::metrics::process::note_start();
    crate::server::metrics::process::write(&mut process);
    let lines = process
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    known.extend(lines.map(|line| line.split(' ').next().unwrap().to_owned()));
    known
}

/// Every word of a text that begins like a metric of ours.
fn named(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == ':'))
        .filter(|word| word.starts_with("caracal_") || word.starts_with("process_"))
        .map(|word| {
            let ends = ["_bucket", "_count", "_sum"];
            let base = ends.iter().find_map(|end| word.strip_suffix(end));
            base.unwrap_or(word).to_owned()
        })
        .collect()
}

#[test]
fn the_documentation_lists_them_all_and_no_others() {
    let text = read("docs/observability.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<String> = rows
        .filter_map(|row| row.split('`').next())
        .filter(|name| name.starts_with("caracal_") || name.starts_with("process_"))
        .map(str::to_owned)
        .collect();
    let known = known();
    let missing: Vec<_> = known.difference(&listed).collect();
    let invented: Vec<_> = listed.difference(&known).collect();
    assert!(
        missing.is_empty(),
        "add to docs/observability.md: {missing:?}"
    );
    assert!(invented.is_empty(), "add to catalog.rs: {invented:?}");
}

#[test]
fn the_dashboard_and_the_alerts_use_what_exists() {
    let known = known();
    for path in [
        "deploy/grafana/caracal.json",
        "deploy/prometheus/caracal.rules.yml",
    ] {
        let text = read(path);
        let used = named(&text);
        assert!(used.len() > 10, "{path} uses {used:?}");
        let invented: Vec<_> = used.difference(&known).collect();
        assert!(invented.is_empty(), "{path}: {invented:?}");
    }
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("deploy/grafana/caracal.json")).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 10);
}

#[test]
fn every_alert_is_explained() {
    let (rules, text) = (
        read("deploy/prometheus/caracal.rules.yml"),
        read("docs/observability.md"),
    );
    let alerts: Vec<_> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 10);
    for alert in alerts {
        assert!(text.contains(&format!("`{alert}`")), "{alert}");
    }
}

/// The source files below a directory.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn everything_that_is_counted_is_in_the_catalog() {
    let known = known();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        sources(&entry.unwrap().path().join("src"), &mut files);
    }
    let mut count = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for emitted in ["counter!(", "gauge!(", "histogram!("] {
            for rest in text.split(emitted).skip(1) {
                let Some(rest) = rest.trim_start().strip_prefix('"') else {
                    continue;
                };
                let name = rest.split('"').next().unwrap();
                if !name.starts_with("caracal_") {
                    continue;
                }
                count += 1;
                let what = "add it to catalog.rs and docs/observability.md";
                assert!(known.contains(name), "{}: `{name}`: {what}", file.display());
            }
        }
    }
    assert!(count > 30);
}

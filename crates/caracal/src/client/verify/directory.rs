//! Verifying what `audit export` wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use caracal_core::LogId;
use caracal_ledger::{LeafHash, MAX_LEAF_BYTES, TreeState};

use crate::client::verify::{Checker, Evidence, Report};
use crate::failure::{Context, Failure, Outcome};

/// Verifies every log in a directory of `LOG/{events.jsonl, checkpoint, key}`.
pub(crate) fn verify_directory(dir: &Path, evidence: Evidence) -> Outcome<Report> {
    let logs = list_logs(dir)?;
    let mut keys = BTreeMap::new();
    for (log, place) in &logs {
        let path = place.join("key");
        if path.exists() {
            let key = std::fs::read_to_string(&path).context(format!("`{}`", path.display()))?;
            keys.insert(*log, key.trim().to_owned());
        }
    }
    let mut checker = Checker::new(&keys, evidence)?;
    for (log, place) in &logs {
        let path = place.join("checkpoint");
        match std::fs::read_to_string(&path) {
            Ok(note) => checker.expect_checkpoint(*log, &note, &format!("`{}`", path.display())),
            Err(_) => checker.stray(
                &log.to_string(),
                0,
                "the export has no checkpoint of this log",
            ),
        }
    }
    for (log, place) in &logs {
        let pruned = read_pruned(&mut checker, *log, &place.join("pruned"))?;
        let first = pruned.size;
        checker.start_after(*log, pruned);
        read_leaves(&mut checker, *log, first, &place.join("events.jsonl"))?;
    }
    Ok(checker.finish(&BTreeSet::new()))
}

fn list_logs(dir: &Path) -> Outcome<BTreeMap<LogId, PathBuf>> {
    let shown = dir.display();
    let mut logs = BTreeMap::new();
    for entry in std::fs::read_dir(dir).context(format!("`{shown}`"))? {
        let entry = entry.context(format!("`{shown}`"))?;
        if let Ok(log) = entry.file_name().to_string_lossy().parse() {
            logs.insert(log, entry.path());
        }
    }
    if logs.is_empty() {
        return Err(
            Failure::new(format!("there is no exported log in `{shown}`"))
                .hint("`caracal audit export DIR` writes them"),
        );
    }
    Ok(logs)
}

/// What stands for the leaves that are not kept any more, if there are any: their number, then
/// the hashes of their complete subtrees from the left.
fn read_pruned(checker: &mut Checker<'_>, log: LogId, path: &Path) -> Outcome<TreeState> {
    if !path.exists() {
        return Ok(TreeState::new());
    }
    let text = std::fs::read_to_string(path).context(format!("`{}`", path.display()))?;
    let mut lines = text.lines();
    let size = lines.next().and_then(|line| line.parse().ok());
    // The number of subtrees that a tree of the largest size can have.
    let edge = lines.take(64).map(LeafHash::from_base64);
    let edge: Option<Vec<_>> = edge.map(|hash| Some(hash?.0)).collect();
    let tree = size.zip(edge).map(|(size, edge)| TreeState { size, edge });
    Ok(tree.filter(|tree| tree.check().is_ok()).unwrap_or_else(|| {
        let why = "what stands for the pruned leaves in the export cannot be read";
        checker.stray(&log.to_string(), 0, why);
        TreeState::new()
    }))
}

fn read_leaves(checker: &mut Checker<'_>, log: LogId, first: u64, path: &Path) -> Outcome<()> {
    let Ok(file) = File::open(path) else {
        checker.stray(&log.to_string(), 0, "the export has no events of this log");
        return Ok(());
    };
    let longest = u64::try_from(MAX_LEAF_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_add(2);
    let mut reader = BufReader::new(file);
    for index in first.. {
        let mut line = Vec::new();
        let read = reader.by_ref().take(longest).read_until(b'\n', &mut line);
        if read.context(format!("`{}`", path.display()))? == 0 {
            break;
        }
        let leaf = line.strip_suffix(b"\n").unwrap_or(&line);
        checker.leaf(log, index, leaf);
    }
    Ok(())
}

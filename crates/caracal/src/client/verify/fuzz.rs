//! The body of a fuzz target: an export of one log. A target builds this file and what it reads
//! in, since the binary is no library.

use std::path::Path;

use crate::client::verify::{Evidence, verify_directory};

/// The log's name, then its files `key`, `checkpoint`, `pruned` and `events.jsonl`, with a zero
/// byte between each; an empty one is not there.
pub(crate) fn export(data: &[u8]) {
    let Ok(dir) = tempfile::tempdir() else { return };
    let mut parts = data.splitn(5, |byte| *byte == 0);
    let name = parts.next().and_then(|name| std::str::from_utf8(name).ok());
    let is_plain = |name: &&str| Path::new(name).file_name().is_some_and(|own| own == *name);
    let place = dir.path().join(name.filter(is_plain).unwrap_or("log"));
    if std::fs::create_dir(&place).is_err() {
        return;
    }
    for (file, bytes) in ["key", "checkpoint", "pruned", "events.jsonl"]
        .iter()
        .zip(parts)
    {
        if !bytes.is_empty() && std::fs::write(place.join(file), bytes).is_err() {
            return;
        }
    }
    if let Ok(report) = verify_directory(dir.path(), Evidence::default()) {
        // A log without a key vouches for nothing.
        assert!(!report.ok || (report.logs == 1 && place.join("key").exists()));
    }
}

//! Verifying the local stack's ledger from its file.

use caracal_core::LogId;
use caracal_store::LedgerFile;
use serde::Deserialize;

use crate::client::verify::keys::Keys;
use crate::client::verify::{Checker, Evidence, Report, keys};
use crate::failure::{Exit, Failure, Outcome};
use crate::home::{Home, HomeLock, find_holder};

/// Where a leaf says that it stands.
#[derive(Deserialize)]
struct LeafAddress {
    log: LogId,
    index: u64,
}

/// Verifies every log of a home, with or without a running server.
pub(crate) async fn verify_home(home: &Home, evidence: Evidence) -> Outcome<Report> {
    if !home.has_state() {
        return Err(
            Failure::new(format!("there is no ledger in `{}`", home.dir().display()))
                .hint("`caracal up` starts a stack; `caracal audit verify DIR` verifies an export"),
        );
    }
    let is_running = find_holder(home)?.is_some();
    let keys = if is_running {
        // One that does not answer may be hung: its state cannot be copied while it writes.
        keys::from_server(home)
            .await
            .map_err(|failure| failure.exit(Exit::Failed))?
    } else {
        let _held = HomeLock::take(home)?;
        keys::from_state(home).await?
    };
    let (dir, keys) = (home.dir().to_owned(), keys);
    let checked = tokio::task::spawn_blocking(move || check(&dir, &keys, evidence)).await;
    checked.map_err(|_| Failure::new("the ledger cannot be verified"))?
}

fn check(dir: &std::path::Path, keys: &Keys, evidence: Evidence) -> Outcome<Report> {
    let mut checker = Checker::new(&keys.verifiers, evidence)?;
    let file = match LedgerFile::open_read_only(dir) {
        Ok(file) => file,
        // A ledger that is gone or no database is the worst damage, not a failure to look.
        Err(error) => {
            checker.stray("", 0, &error.to_string());
            return Ok(checker.finish(&keys.young));
        }
    };
    match file.heads() {
        Ok(heads) => {
            for head in heads {
                if let Some(note) = &head.checkpoint {
                    checker.expect_checkpoint(head.log, note, "the ledger itself");
                }
            }
        }
        Err(error) => checker.stray("", 0, &error.to_string()),
    }
    for log in keys.verifiers.keys() {
        let (first, hashes) = file.leaf_hashes(*log);
        checker.hint(*log, first, hashes);
        match file.pruned(*log) {
            Ok(pruned) => checker.start_after(*log, pruned),
            Err(error) => checker.stray(&log.to_string(), 0, &error.to_string()),
        }
    }
    for row in file.rows() {
        match row {
            Ok((sequence, body)) => match serde_json::from_slice::<LeafAddress>(&body) {
                Ok(place) => checker.leaf(place.log, place.index, &body),
                Err(_) => {
                    let index = u64::try_from(sequence).unwrap_or(0);
                    checker.stray(
                        "",
                        index,
                        &format!("row {sequence} of the table belongs to no log"),
                    );
                }
            },
            Err(error) => checker.stray(
                "",
                0,
                &format!("the ledger cannot be read to its end: {error}"),
            ),
        }
    }
    Ok(checker.finish(&keys.young))
}

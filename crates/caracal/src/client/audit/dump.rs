//! `caracal audit export`: logs as files that anyone can verify.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use bytes::Bytes;
use caracal_wire::{LogView, Page, PrunedView, ZoneView};

use crate::cli::Global;
use crate::client::api::query;
use crate::client::zone::{find_zone, path_of};
use crate::client::{Api, listing};
use crate::environment::Environment;
use crate::failure::{Context, Failure, Outcome};
use crate::terminal;

/// How many leaves are asked for at once.
const CHUNK: u64 = 1000;

/// `caracal audit export DIR`.
pub(crate) async fn export(api: &Api, zone: &ZoneView, dir: &Path, json: bool) -> Outcome<()> {
    let (logs, events) = export_logs(api, zone, dir).await?;
    if json {
        return terminal::json(&serde_json::json!({
            "dir": dir.display().to_string(), "logs": logs, "events": events,
        }));
    }
    let shown = dir.display();
    terminal::line(format_args!(
        "wrote {events} events of {logs} logs to `{shown}`; `caracal audit verify {shown}` verifies them"
    ))
}

/// Exports what `audit verify` then verifies: the zone of a remote server.
pub(crate) async fn export_for_verify(
    api: &Api,
    global: &Global,
    environment: &Environment,
    dir: &Path,
) -> Outcome<()> {
    let zone = find_zone(api, global, environment).await?;
    export_logs(api, &zone, dir).await.map(drop)
}

async fn export_logs(api: &Api, zone: &ZoneView, dir: &Path) -> Outcome<(usize, u64)> {
    let logs: Page<LogView> = listing::fetch(api, &path_of(zone, "logs"), &[], usize::MAX).await?;
    let mut events = 0;
    for log in &logs.items {
        // The id becomes a directory: it must be an id.
        let id: caracal_core::LogId = log
            .id
            .parse()
            .map_err(|_| Failure::new("the server names a log that cannot be"))?;
        let place = dir.join(id.to_string());
        std::fs::create_dir_all(&place).context(format!("`{}`", place.display()))?;
        events += export_log(api, zone, log, &place).await?;
    }
    Ok((logs.items.len(), events))
}

/// Old leaves may go while they are read; then it is begun again, so often at most.
const TRIES: usize = 10;

async fn export_log(api: &Api, zone: &ZoneView, log: &LogView, place: &Path) -> Outcome<u64> {
    for _ in 0..TRIES {
        if let Some(count) = try_export_log(api, zone, log, place).await? {
            return Ok(count);
        }
    }
    Err(Failure::new(format!(
        "old leaves of `{}` go faster than they can be read",
        log.id
    ))
    .hint("export again when the retention has caught up"))
}

/// The checkpoint is read first, and the leaves are written up to where it says: what a running
/// log gets meanwhile would be vouched for by nothing. None when leaves went meanwhile that are
/// not written yet.
async fn try_export_log(
    api: &Api,
    zone: &ZoneView,
    log: &LogView,
    place: &Path,
) -> Outcome<Option<u64>> {
    let base = path_of(zone, &format!("logs/{}", log.id));
    let checkpoint = api.bytes(&format!("{base}/checkpoint")).await?;
    write(&place.join("checkpoint"), &checkpoint)?;
    write(&place.join("key"), format!("{}\n", log.verifier).as_bytes())?;
    let path = place.join("events.jsonl");
    let file = File::create(&path).context(format!("`{}`", path.display()))?;
    let mut file = BufWriter::new(file);
    let size = size_of(&checkpoint);
    let pruned: PrunedView = api.get(&format!("{base}/pruned")).await?;
    write_pruned(&place.join("pruned"), &pruned)?;
    let mut next = pruned.size;
    while next < size {
        let (first, limit) = (next.to_string(), CHUNK.min(size - next).to_string());
        let asked = query(&[("first", Some(&first)), ("limit", Some(&limit))]);
        let lines: Bytes = api.bytes(&format!("{base}/entries{asked}")).await?;
        let count = lines.iter().filter(|byte| **byte == b'\n').count();
        let count = u64::try_from(count).unwrap_or(0);
        if count == 0 {
            break;
        }
        // A server without them goes on with the next leaves that it has. When nothing was let
        // go, the log is damaged: that is exported as it is, for the verification to name.
        if index_of(&lines).is_some_and(|index| index > next) {
            let now: PrunedView = api.get(&format!("{base}/pruned")).await?;
            if now.size > pruned.size {
                return Ok(None);
            }
        }
        file.write_all(&lines)
            .context(format!("`{}`", path.display()))?;
        next = next.saturating_add(count);
    }
    file.flush().context(format!("`{}`", path.display()))?;
    Ok(Some(next.saturating_sub(pruned.size)))
}

/// The file is there only for a log whose first leaves are not kept any more: their number,
/// then the hashes of their complete subtrees from the left, one on each line.
fn write_pruned(path: &Path, pruned: &PrunedView) -> Outcome<()> {
    if pruned.size == 0 {
        return match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context(format!("`{}`", path.display()))
            }
            _ => Ok(()),
        };
    }
    let lines = [pruned.size.to_string()];
    let text = lines
        .iter()
        .chain(&pruned.edge)
        .fold(String::new(), |text, line| text + line + "\n");
    write(path, text.as_bytes())
}

/// The index of the first of some leaves.
fn index_of(lines: &[u8]) -> Option<u64> {
    let first = lines.split(|byte| *byte == b'\n').next()?;
    let leaf: serde_json::Value = serde_json::from_slice(first).ok()?;
    leaf.get("index")?.as_u64()
}

/// How many leaves a checkpoint speaks of; every one there is when it does not say. Whether it is
/// signed is for the verification to tell.
fn size_of(checkpoint: &[u8]) -> u64 {
    let size = std::str::from_utf8(checkpoint)
        .ok()
        .and_then(|note| note.lines().nth(1)?.parse().ok());
    size.unwrap_or(u64::MAX)
}

fn write(path: &Path, content: &[u8]) -> Outcome<()> {
    std::fs::write(path, content).context(format!("`{}`", path.display()))
}

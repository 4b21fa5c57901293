//! `caracal audit export`: logs as files that anyone can verify.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use bytes::Bytes;
use caracal_wire::{LogView, Page, ZoneView};

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

/// The checkpoint is read first, and the leaves are written up to where it says: what a running
/// log gets meanwhile would be vouched for by nothing.
async fn export_log(api: &Api, zone: &ZoneView, log: &LogView, place: &Path) -> Outcome<u64> {
    let base = path_of(zone, &format!("logs/{}", log.id));
    let checkpoint = api.bytes(&format!("{base}/checkpoint")).await?;
    write(&place.join("checkpoint"), &checkpoint)?;
    write(&place.join("key"), format!("{}\n", log.verifier).as_bytes())?;
    let path = place.join("events.jsonl");
    let file = File::create(&path).context(format!("`{}`", path.display()))?;
    let mut file = BufWriter::new(file);
    let size = size_of(&checkpoint);
    let mut next = 0;
    while next < size {
        let (first, limit) = (next.to_string(), CHUNK.min(size - next).to_string());
        let asked = query(&[("first", Some(&first)), ("limit", Some(&limit))]);
        let lines: Bytes = api.bytes(&format!("{base}/entries{asked}")).await?;
        let count = lines.iter().filter(|byte| **byte == b'\n').count();
        let count = u64::try_from(count).unwrap_or(0);
        if count == 0 {
            break;
        }
        file.write_all(&lines)
            .context(format!("`{}`", path.display()))?;
        next = next.saturating_add(count);
    }
    file.flush().context(format!("`{}`", path.display()))?;
    Ok(next)
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

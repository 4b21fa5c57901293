//! From an older format to this release's, with a copy of the file first.

use std::path::{Path, PathBuf};

use refinery::{Migration, Runner};
use rusqlite::Connection;

use super::copy::copy;
use super::{Design, pragma};
use crate::{StoreError, sync_dir};

/// Room that has to be left beside the copy: what the migration itself may write.
const ROOM: u64 = 16 * 1024 * 1024;
/// How many copies of one format may lie beside a file.
const MOST: u32 = 100;

/// Brings a file of format `found` to the design's. What is there is copied first, beside it,
/// as `NAME.vN.bak`. All migrations are one transaction; after a failure the file is as it was.
pub(super) fn migrate(
    connection: &mut Connection,
    path: &Path,
    design: &Design,
    found: u32,
) -> Result<(), StoreError> {
    let kept = if found > 0 {
        let kept = keep_copy(connection, path, found)?;
        tracing::info!(path = %path.display(), copy = %kept.display(), from = found, to = design.format, "the data is brought to a newer format");
        Some(kept)
    } else {
        None
    };
    let failed = |why: String| match &kept {
        None => StoreError::Unreadable {
            path: path.display().to_string(),
            why,
        },
        Some(kept) => StoreError::Migration {
            path: path.display().to_string(),
            found,
            known: design.format,
            copy: kept.display().to_string(),
            why,
        },
    };
    let migrations = design
        .migrations
        .iter()
        .map(|(name, sql)| Migration::unapplied(name, sql))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(error.to_string()))?;
    Runner::new(&migrations)
        .set_grouped(true)
        .run(connection)
        .map_err(|error| {
            // Its own words name the migration; the cause says what went wrong.
            let mut why = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                why = format!("{why}: {cause}");
                source = cause.source();
            }
            failed(why)
        })?;
    let reached = pragma(connection, "user_version").map_err(|error| failed(error.to_string()))?;
    // After a crash before this line nothing is left to do but this.
    if reached < design.format {
        connection
            .pragma_update(None, "user_version", design.format)
            .map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}

fn keep_copy(connection: &Connection, path: &Path, found: u32) -> Result<PathBuf, StoreError> {
    let unreadable = |why: String| StoreError::Unreadable {
        path: path.display().to_string(),
        why,
    };
    let pages = u64::from(pragma(connection, "page_count")?);
    let needed = pages * u64::from(pragma(connection, "page_size")?) + ROOM;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let space = rustix::fs::statvfs(dir.unwrap_or(Path::new(".")))
        .map_err(|error| unreadable(error.to_string()))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    if free < needed {
        return Err(unreadable(format!(
            "a copy of it has to be made before it is brought to a newer format, which takes {} MiB; {} MiB are free",
            needed.div_ceil(1024 * 1024),
            free / (1024 * 1024)
        )));
    }
    let named = |suffix: String| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    // One from an earlier time is never overwritten.
    let kept = (1..MOST)
        .map(|n| match n {
            1 => named(format!(".v{found}.bak")),
            n => named(format!(".v{found}.bak-{n}")),
        })
        .find(|candidate| !candidate.exists())
        .ok_or_else(|| unreadable("too many copies lie beside it; move them away".to_owned()))?;
    let unfinished = named(format!(".v{found}.copying"));
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(unreadable(error.to_string()));
        }
        _ => {}
    }
    let copied = copy(connection, &unfinished, &mut |_, _| {}).and_then(|()| {
        std::fs::rename(&unfinished, &kept)
            .and_then(|()| sync_dir(&kept))
            .map_err(|error| unreadable(error.to_string()))
    });
    if copied.is_err() {
        // The error that matters is the first one.
        let _ = std::fs::remove_file(&unfinished);
    }
    copied.map(|()| kept)
}

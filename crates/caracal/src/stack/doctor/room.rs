//! The room on the disk, and what lies in a home without being used.

use std::path::PathBuf;

use caracal_engine::Room;

use super::Finding;
use crate::environment::Environment;
use crate::home::{Home, REPLACED};
use crate::restore;
use crate::server::{Settings, SettingsLayer};

const MIB: u64 = 1024 * 1024;

/// How much room there is, by the settings that a server here would have.
pub(super) fn check_disk(home: &Home, environment: &Environment) -> Option<Finding> {
    let dir = home.dir().ancestors().find(|dir| dir.exists())?;
    let settings =
        Settings::resolve(home.clone(), SettingsLayer::default(), environment, true).ok()?;
    let found = settings.disk.measure(dir).ok()?;
    let detail = format!("{} at `{}`", found.text(), dir.display());
    Some(match found.judge(Room::Plenty) {
        Room::Plenty => Finding::good("disk", detail),
        Room::Low => Finding {
            fix: Some("make room before only the reserve is left".to_owned()),
            ..Finding::good("disk", format!("nearly full: {detail}"))
        },
        Room::Reserve => Finding::bad(
            "disk",
            detail,
            "make room: new mandates and calls are refused until there is more than the reserve",
        ),
    })
}

/// Data that a restore or a migration left, and what was found damaged.
pub(super) fn check_leftovers(home: &Home) -> Option<Finding> {
    if restore::is_cut_off(home) {
        return Some(Finding::bad(
            "leftovers",
            "a restore was cut off",
            "run the same `caracal restore` again",
        ));
    }
    let mut found: Vec<(String, u64)> = Vec::new();
    let entries = std::fs::read_dir(home.dir())
        .into_iter()
        .flatten()
        .flatten();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_copy = name.contains(".bak") || name.contains(".damaged-");
        if is_copy && name.contains(".db") {
            found.push((name, entry.metadata().map_or(0, |found| found.len())));
        }
    }
    let replaced = std::fs::read_dir(home.join(REPLACED));
    for entry in replaced.into_iter().flatten().flatten() {
        let name = format!("{REPLACED}/{}", entry.file_name().to_string_lossy());
        found.push((name, size_of(entry.path())));
    }
    if found.is_empty() {
        return None;
    }
    found.sort();
    let list: Vec<String> = found
        .iter()
        .map(|(name, bytes)| format!("`{name}` ({} MiB)", bytes.div_ceil(MIB)))
        .collect();
    Some(Finding {
        fix: Some(
            "keep them until you are sure that they are not needed, then remove them; `purge` removes them too"
                .to_owned(),
        ),
        ..Finding::good("leftovers", format!("older data: {}", list.join(", ")))
    })
}

fn size_of(dir: PathBuf) -> u64 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .map(|found| found.len())
        .sum()
}

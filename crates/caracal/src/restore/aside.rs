//! Moving the files of a store out of the way, and restored ones into their place.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use caracal_store::sync_dir;

use crate::clock;
use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, REPLACED};

/// The database files of a home.
const DATABASES: [&str; 3] = ["state.db", "ledger.db", "index.db"];

/// True when there is a store in the home, or part of one.
pub(crate) fn has_data(home: &Home) -> bool {
    home.join("state.db").exists() || home.join("ledger.db").exists()
}

/// Moves everything of the home's store to a directory of its own, and says where. Nothing is
/// ever deleted.
pub(crate) fn move_aside(home: &Home) -> Outcome<Option<PathBuf>> {
    let shown = format!("`{}`", home.dir().display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(home.dir()).context(&shown)? {
        let name = entry.context(&shown)?.file_name();
        let text = name.to_string_lossy().into_owned();
        let is_data = DATABASES.iter().any(|own| {
            text.strip_prefix(own)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
        });
        if is_data {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Ok(None);
    }
    // The log files first: without them new files cannot pick up pages of the old ones.
    names.sort_by_key(|name| !name.to_string_lossy().ends_with("-wal"));
    let stamp = clock::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let place = (1..1000)
        .map(|n| match n {
            1 => home.join(REPLACED).join(&stamp),
            n => home.join(REPLACED).join(format!("{stamp}-{n}")),
        })
        .find(|place| !place.exists())
        .ok_or_else(|| Failure::new("too many replaced stores lie in the home"))?;
    let failed = format!("the data cannot be moved to `{}`", place.display());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&place)
        .context(&failed)?;
    for name in names {
        std::fs::rename(home.join(&name), place.join(&name)).context(&failed)?;
    }
    sync_dir(&place.join("x"))
        .and_then(|()| sync_dir(&home.join("x")))
        .context(&failed)?;
    Ok(Some(place))
}

/// Moves restored files into the home.
pub(crate) fn move_in(home: &Home, from: &Path) -> Outcome<()> {
    let failed = "the restored data cannot be moved into the home";
    for name in DATABASES {
        for suffix in ["-wal", ""] {
            let name = format!("{name}{suffix}");
            match std::fs::rename(from.join(&name), home.join(&name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).context(failed);
                }
                _ => {}
            }
        }
    }
    sync_dir(&home.join("x")).context(failed)
}

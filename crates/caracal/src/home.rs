//! `CARACAL_HOME`: the directory that a stack owns.

mod lock;
mod ports;
mod record;
mod socket;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use caracal_store::sync_dir;

pub(crate) use lock::{HomeLock, find_holder, find_holder_of};
pub(crate) use ports::Ports;
pub(crate) use record::{DoorRecord, StackRecord};
pub(crate) use socket::SocketPath;

use crate::environment::Environment;
use crate::failure::{Context, Failure, Outcome};

/// Everything that Caracal itself puts into a home.
const OWN_NAMES: &[&str] = &[
    "backing-up",
    "caracal.lock",
    "restart.lock",
    "caracal.sock",
    "demo",
    "index.db",
    "ledger.db",
    "log",
    "login.json",
    "master.key",
    "ports.json",
    "replaced",
    "restoring",
    "server.toml",
    "stack.json",
    "state.db",
];

/// Where a restore moves what it replaces, in the home.
pub(crate) const REPLACED: &str = "replaced";

/// The directory that holds a stack's data, key, socket and log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// The home that the flag or the environment names, else the user's data directory.
    pub(crate) fn find(flag: Option<&Path>, environment: &Environment) -> Outcome<Self> {
        let named = flag.or_else(|| environment.find("CARACAL_HOME").map(Path::new));
        let dir = match named {
            Some(dir) => dir.to_owned(),
            None => match (environment.find("XDG_DATA_HOME"), environment.find("HOME")) {
                (Some(data), _) if data.starts_with('/') => Path::new(data).join("caracal"),
                (_, Some(home)) => Path::new(home).join(".local/share/caracal"),
                _ => {
                    return Err(Failure::usage("there is no home directory to keep data in")
                        .hint("set `CARACAL_HOME`"));
                }
            },
        };
        let dir = std::path::absolute(&dir).context(format!("`{}`", dir.display()))?;
        Ok(Self(dir))
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }

    /// A file or directory in it.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// The server's log.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("log/caracal.log")
    }

    /// True when a stack has stored state here.
    pub(crate) fn has_state(&self) -> bool {
        self.0.join("state.db").exists()
    }

    /// Makes the directory, for this user alone. A wider one is narrowed, unless it holds
    /// what is not ours.
    pub(crate) fn prepare(&self) -> Outcome<()> {
        let dir = &self.0;
        let shown = dir.display();
        if !dir.exists() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .context(format!("`{shown}` cannot be created"))?;
        }
        let found = std::fs::metadata(dir).context(format!("`{shown}` cannot be read"))?;
        if !found.is_dir() {
            return Err(Failure::new(format!("`{shown}` is no directory")));
        }
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(Failure::new(format!("`{shown}` belongs to another user"))
                .hint("set `CARACAL_HOME` to a directory of your own"));
        }
        if found.mode() & 0o077 != 0 {
            if let Some(other) = self.find_foreign_name()? {
                let why = format!(
                    "`{shown}` is open to other users and holds `{other}`, which is not Caracal's"
                );
                return Err(Failure::new(why).hint(format!(
                    "choose an empty directory, or run `chmod 700 {shown}`"
                )));
            }
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
                .context(format!("`{shown}` cannot be closed to other users"))?;
        }
        Ok(())
    }

    fn find_foreign_name(&self) -> Outcome<Option<String>> {
        let entries = std::fs::read_dir(&self.0).context(format!("`{}`", self.0.display()))?;
        for entry in entries {
            let name = entry
                .context(format!("`{}`", self.0.display()))?
                .file_name();
            let name = name.to_string_lossy();
            if !is_own(&name) {
                return Ok(Some(name.into_owned()));
            }
        }
        Ok(None)
    }

    /// Removes everything that Caracal put here, and the directory when nothing else is left.
    pub(crate) fn remove(&self) -> Outcome<()> {
        let Ok(entries) = std::fs::read_dir(&self.0) else {
            return Ok(());
        };
        for entry in entries {
            let entry = entry.context(format!("`{}`", self.0.display()))?;
            if !is_own(&entry.file_name().to_string_lossy()) {
                continue;
            }
            let kind = entry
                .file_type()
                .context(format!("`{}`", entry.path().display()))?;
            let removed = if kind.is_dir() {
                std::fs::remove_dir_all(entry.path())
            } else {
                std::fs::remove_file(entry.path())
            };
            removed.context(format!("`{}` cannot be removed", entry.path().display()))?;
        }
        // Not ours when it holds something else.
        let _ = std::fs::remove_dir(&self.0);
        Ok(())
    }
}

/// True for what Caracal puts into a home: one of its names, or a file that stands beside a file
/// of that name, such as `state.db-wal`. `logistics` and `demo-2024` are somebody else's.
fn is_own(name: &str) -> bool {
    OWN_NAMES.iter().any(|own| {
        let rest = name.strip_prefix(own);
        let is_file = own.contains('.');
        rest.is_some_and(|rest| rest.is_empty() || (is_file && rest.starts_with(['-', '.'])))
    })
}

/// Opens a file of this user alone for appending.
pub(crate) fn append(path: &Path) -> std::io::Result<File> {
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// Replaces a file of this user alone: readers see the old or the new content, also after
/// loss of power.
pub(crate) fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    // What an ended process left. In a directory that others can write too, what they put there
    // must not be written through: only a file that is made here is taken.
    let _ = std::fs::remove_file(&new);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    let written = file
        .write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&new, path));
    if written.is_err() {
        // The error that matters is the first one.
        let _ = std::fs::remove_file(&new);
    }
    written?;
    sync_dir(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_in(dir: &tempfile::TempDir) -> Home {
        Home(dir.path().join("home"))
    }

    #[test]
    fn flag_then_environment_then_data_directory() {
        let env = Environment::from([
            ("CARACAL_HOME", "/a"),
            ("XDG_DATA_HOME", "/x"),
            ("HOME", "/h"),
        ]);
        assert_eq!(
            Home::find(Some(Path::new("/f")), &env).unwrap().dir(),
            Path::new("/f")
        );
        assert_eq!(Home::find(None, &env).unwrap().dir(), Path::new("/a"));
        let env = Environment::from([("XDG_DATA_HOME", "/x"), ("HOME", "/h")]);
        assert_eq!(
            Home::find(None, &env).unwrap().dir(),
            Path::new("/x/caracal")
        );
        let env = Environment::from([("XDG_DATA_HOME", "relative"), ("HOME", "/h")]);
        assert_eq!(
            Home::find(None, &env).unwrap().dir(),
            Path::new("/h/.local/share/caracal")
        );
        assert!(Home::find(None, &Environment::default()).is_err());
    }

    #[test]
    fn a_home_is_closed_to_others_but_nobody_elses_directory_is() {
        let dir = tempfile::tempdir().unwrap();
        let home = home_in(&dir);
        let mode = || std::fs::metadata(home.dir()).unwrap().mode() & 0o777;
        home.prepare().unwrap();
        assert_eq!(mode(), 0o700);
        std::fs::set_permissions(home.dir(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(home.join("server.toml"), "").unwrap();
        home.prepare().unwrap();
        assert_eq!(mode(), 0o700);
        std::fs::set_permissions(home.dir(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(home.join("letter.txt"), "").unwrap();
        assert!(home.prepare().unwrap_err().message.contains("letter.txt"));
        assert_eq!(mode(), 0o755);
    }

    #[test]
    fn purging_leaves_what_is_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        let home = home_in(&dir);
        home.prepare().unwrap();
        for name in ["state.db", "state.db-wal", "letter.txt"] {
            std::fs::write(home.join(name), "").unwrap();
        }
        for name in ["log", "logistics", "demo-2024"] {
            std::fs::create_dir(home.join(name)).unwrap();
        }
        home.remove().unwrap();
        assert!(home.join("letter.txt").exists() && !home.join("state.db-wal").exists());
        assert!(home.join("logistics").exists() && home.join("demo-2024").exists());
        assert!(!home.join("log").exists());
        std::fs::remove_file(home.join("letter.txt")).unwrap();
        std::fs::remove_dir(home.join("logistics")).unwrap();
        std::fs::remove_dir(home.join("demo-2024")).unwrap();
        home.remove().unwrap();
        assert!(!home.dir().exists());
    }

    #[test]
    fn replacing_keeps_files_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        replace(&path, b"1").unwrap();
        replace(&path, b"2").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"2");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn replacing_writes_through_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("f"), dir.path().join("other"));
        std::fs::write(&other, "kept").unwrap();
        let new = dir.path().join(format!("f.{}.new", std::process::id()));
        std::os::unix::fs::symlink(&other, new).unwrap();
        replace(&path, b"1").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"1");
        assert_eq!(std::fs::read(&other).unwrap(), b"kept");
    }
}

//! The lock on a home: it is the lease of the node, and ends with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::failure::{Context, Failure, Outcome};
use crate::home::Home;

/// How long a start waits for somebody who only looks who holds the lock.
const PATIENCE: Duration = Duration::from_millis(500);

/// The held lock. It is released when this is dropped, or when the process ends in any way.
#[derive(Debug)]
pub(crate) struct HomeLock(File);

impl HomeLock {
    /// Takes the lock of a prepared home.
    ///
    /// # Errors
    /// When another stack uses the home; it is named.
    pub(crate) fn take(home: &Home) -> Outcome<Self> {
        Self::take_file(&home.join("caracal.lock"), |pid| in_use(home, pid))
    }

    /// The lock that this process held before it became another program.
    pub(crate) fn of_predecessor(file: File) -> Self {
        Self(file)
    }

    /// Takes a lock of any file; `refuse` says who has it.
    pub(crate) fn take_file(
        path: &Path,
        refuse: impl FnOnce(Option<u32>) -> Failure,
    ) -> Outcome<Self> {
        let shown = path.display().to_string();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .context(format!("`{shown}` cannot be opened"))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => return Err(refuse(read_pid(&mut file))),
                Err(TryLockError::Error(error)) => {
                    return Err(Failure::new(format!("`{shown}` cannot be locked: {error}"))
                        .hint("the home must be on a file system of this machine"));
                }
            }
        }
        let pid = format!("{}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(pid.as_bytes()))
            .context(format!("`{shown}` cannot be written"))?;
        Ok(Self(file))
    }
}

impl AsFd for HomeLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn in_use(home: &Home, pid: Option<u32>) -> Failure {
    let who = pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    );
    Failure::new(format!(
        "`{}` is in use by another stack: {who}",
        home.dir().display()
    ))
    .hint("`caracal status` shows it, `caracal down` stops it; `CARACAL_HOME` names another home")
}

/// The process that holds the lock of a home, if any does. Zero when it has not told its id yet.
pub(crate) fn find_holder(home: &Home) -> Outcome<Option<u32>> {
    find_holder_of(&home.join("caracal.lock"))
}

/// The process that holds the lock of a file.
pub(crate) fn find_holder_of(path: &Path) -> Outcome<Option<u32>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::new(format!("`{}`: {error}", path.display()))),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(read_pid(&mut file).unwrap_or(0))),
        Err(TryLockError::Error(error)) => {
            Err(Failure::new(format!("`{}`: {error}", path.display())))
        }
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    #[test]
    fn a_home_has_one_holder_who_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::find(Some(dir.path()), &Environment::default()).unwrap();
        assert_eq!(find_holder(&home).unwrap(), None);
        let held = HomeLock::take(&home).unwrap();
        assert_eq!(find_holder(&home).unwrap(), Some(std::process::id()));
        let refused = HomeLock::take(&home).unwrap_err();
        assert!(refused.message.contains(&std::process::id().to_string()));
        drop(held);
        assert_eq!(find_holder(&home).unwrap(), None);
        HomeLock::take(&home).unwrap();
    }
}

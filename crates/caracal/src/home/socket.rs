//! The path of the local socket, however long the home's own path is.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use crate::home::Home;

/// The longest path that fits into a socket address everywhere, in bytes.
const LONGEST: usize = 100;

/// A path that a socket address can hold. Where the real one is too long it leads through a
/// handle of the directory, so it holds only while this lives, and in this process.
#[derive(Debug)]
pub(crate) struct SocketPath {
    path: PathBuf,
    _directory: Option<File>,
}

impl SocketPath {
    /// The path of the local socket of a home.
    pub(crate) fn of(home: &Home) -> std::io::Result<Self> {
        let path = home.join("caracal.sock");
        if path.as_os_str().len() <= LONGEST {
            return Ok(Self {
                path,
                _directory: None,
            });
        }
        let directory = File::open(home.dir())?;
        let path = format!("/proc/self/fd/{}/caracal.sock", directory.as_raw_fd());
        Ok(Self {
            path: path.into(),
            _directory: Some(directory),
        })
    }

    /// The path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;
    use crate::environment::Environment;

    #[test]
    fn a_socket_in_a_deep_home_can_be_bound_and_reached() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(90)).join("e".repeat(90));
        let home = Home::find(Some(&deep), &Environment::default()).unwrap();
        home.prepare().unwrap();
        let here = SocketPath::of(&home).unwrap();
        let _listener = UnixListener::bind(here.path()).unwrap();
        let there = SocketPath::of(&home).unwrap();
        UnixStream::connect(there.path()).unwrap();
        assert!(home.join("caracal.sock").exists());
    }
}

//! Loss of power: a recorded run, and a disk that lost what was not synced.

mod dice;
mod disk;
mod home_check;
mod journal;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::Stack;

pub use dice::Dice;
pub use disk::{Disk, Lie, Loss};
pub use home_check::{Promises, check_home};
pub use journal::{Journal, Kind};

/// A server whose file operations and messages are recorded. Dropping it ends it at once.
pub struct Recorded {
    server: Child,
    journal: PathBuf,
}

impl Recorded {
    /// Starts a server with a home that was never used, and waits until it is ready.
    pub fn start() -> (Self, Stack) {
        let mut stack = Stack::new();
        let (shim, journal) = (
            stack.beside().join("shim.so"),
            stack.beside().join("journal"),
        );
        let source = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/harness/power/shim.c"
        );
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&shim)
            .arg(source)
            .status();
        assert!(compiled.expect("a C compiler is there").success());
        stack.set("CARACAL_ALLOW_PRIVATE", "true");
        let server = stack
            .command(&["serve"])
            .env("LD_PRELOAD", &shim)
            .env("POWER_HOME", &stack.home)
            .env("POWER_JOURNAL", &journal)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let ready = stack.cli(&["status", "--ready", "--json"]).ok();
        stack.learn(&ready.json());
        (Self { server, journal }, stack)
    }

    /// Ends the server as a crash would, and gives what it did.
    pub fn stop(mut self) -> Journal {
        self.end();
        Journal::read(&self.journal)
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.end();
    }
}

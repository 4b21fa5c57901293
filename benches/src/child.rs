//! Another process of this program.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use tokio::io::AsyncReadExt as _;

/// A running part, which ends when this is dropped or this process is gone.
pub(crate) struct Part {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its process id.
    pub(crate) pid: u32,
    child: Child,
}

impl Part {
    /// Starts this program with these arguments and waits until it listens.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start another process of this program")?;
        let pid = child.id();
        let output = child.stdout.take().context("the part has no output")?;
        let mut line = String::new();
        BufReader::new(output)
            .read_line(&mut line)
            .context("cannot read what the part says")?;
        let address = line
            .trim()
            .parse()
            .with_context(|| format!("the part did not say where it listens, but `{line}`"))?;
        Ok(Self {
            address,
            pid,
            child,
        })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the part: says where it listens.
pub(crate) fn announce(address: SocketAddr) {
    println!("{address}");
}

/// In the part: returns when the process that started it is gone.
pub(crate) async fn orphaned() {
    let mut input = tokio::io::stdin();
    let mut bytes = [0; 64];
    while input.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}

//! What a running stack leaves in its home for the commands beside it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::{Context, Outcome};
use crate::home::{Home, replace};

/// What a stop takes beside the calls under way: connections close, files are synced.
const AFTER_DRAIN: Duration = Duration::from_secs(15);

/// What the holder of the home serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StackRecord {
    /// The process.
    pub(crate) pid: u32,
    /// Its version.
    pub(crate) version: String,
    /// Tells this start from others of the same process.
    #[serde(default)]
    pub(crate) start: String,
    /// Why the last restart that was asked for was refused, and how often that was.
    #[serde(default)]
    pub(crate) refused: Option<String>,
    #[serde(default)]
    pub(crate) refusals: u64,
    /// How long calls under way may go on when it stops or starts again.
    #[serde(default)]
    pub(crate) drain_seconds: u64,
    /// Its doors, by name.
    pub(crate) doors: BTreeMap<String, DoorRecord>,
}

/// One door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DoorRecord {
    /// Its public URL.
    pub(crate) url: String,
    /// True when it speaks TLS.
    #[serde(default)]
    pub(crate) is_tls: bool,
    /// Where it listens.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl StackRecord {
    /// The record of the process that holds the home; another's is out of date.
    pub(crate) fn find(home: &Home, pid: u32) -> Option<Self> {
        let text = std::fs::read(home.join("stack.json")).ok()?;
        serde_json::from_slice(&text)
            .ok()
            .filter(|record: &Self| record.pid == pid)
    }

    /// How long it may take to stop.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.drain_seconds).saturating_add(AFTER_DRAIN)
    }

    /// Notes that a restart was refused.
    pub(crate) fn refuse_restart(&mut self, why: String) {
        self.refused = Some(why);
        self.refusals += 1;
    }

    /// Leaves the record.
    pub(crate) fn write(&self, home: &Home) -> Outcome<()> {
        let text = serde_json::to_vec(self).context("the doors cannot be written")?;
        replace(&home.join("stack.json"), &text).context("the doors cannot be told")
    }

    /// Takes the record away.
    pub(crate) fn remove(home: &Home) {
        // One that stays names a process that does not hold the lock, and is ignored.
        let _ = std::fs::remove_file(home.join("stack.json"));
    }
}

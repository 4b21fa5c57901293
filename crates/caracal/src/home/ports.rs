//! The ports that were chosen for this home.

use std::collections::BTreeMap;

use crate::failure::{Context, Outcome};
use crate::home::{Home, replace};

/// Which port stands for port 0 of a door. It is chosen once per home.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Ports(BTreeMap<String, u16>);

impl Ports {
    /// What was chosen before. A file that cannot be read is chosen anew.
    pub(crate) fn load(home: &Home) -> Self {
        let text = std::fs::read(home.join("ports.json")).unwrap_or_default();
        Self(serde_json::from_slice(&text).unwrap_or_default())
    }

    /// The port of a door.
    pub(crate) fn find(&self, door: &str) -> Option<u16> {
        self.0.get(door).copied()
    }

    /// Remembers the port of a door.
    pub(crate) fn remember(&mut self, home: &Home, door: &str, port: u16) -> Outcome<()> {
        if self.0.insert(door.to_owned(), port) == Some(port) {
            return Ok(());
        }
        let text = serde_json::to_vec(&self.0).context("the ports cannot be written")?;
        replace(&home.join("ports.json"), &text).context("the ports cannot be remembered")
    }
}

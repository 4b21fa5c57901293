//! What is measured.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Calls straight to the upstream
    Direct,
    /// Calls through nginx as a plain proxy
    Nginx,
    /// Calls through a bare relay on the server's own HTTP libraries
    Relay,
    /// Calls through the Gateway
    Governed,
    /// Mandates from the STS
    Mint,
    /// The organs by themselves
    Micro,
}

/// A path that calls are sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Contender {
    /// Straight to the upstream.
    Direct,
    /// nginx as a plain proxy.
    Nginx,
    /// The bare relay.
    Relay,
    /// The Gateway, with a mandate that it has seen before.
    Governed,
    /// The token endpoint.
    Mint,
}

impl Contender {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 5] = [
        Self::Direct,
        Self::Nginx,
        Self::Relay,
        Self::Governed,
        Self::Mint,
    ];

    /// The part of a run that it is.
    pub(crate) fn part(self) -> Part {
        match self {
            Self::Direct => Part::Direct,
            Self::Nginx => Part::Nginx,
            Self::Relay => Part::Relay,
            Self::Governed => Part::Governed,
            Self::Mint => Part::Mint,
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Relay => "bare relay",
            Self::Governed => "governed",
            Self::Mint => "mint",
        })
    }
}

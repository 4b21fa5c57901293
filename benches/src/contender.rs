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
    /// Calls through the Gateway with a mandate that is bound to a key, each with a proof of its own
    Dpop,
    /// Mandates from the STS
    Mint,
    /// Calls through the Gateway, each with a mandate that it has never seen
    FirstUse,
    /// The organs by themselves
    Micro,
    /// What more policies and more objects cost
    Growth,
    /// Sessions, delegations and their end
    Sessions,
    /// What a revocation takes over sockets, with many streams open
    Revocation,
    /// How long a start takes, with much to start with
    Start,
    /// What the server has in memory
    Memory,
    /// How large the binary is
    Size,
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
    /// The Gateway, with a bound mandate that it has seen before and a fresh proof for each call.
    Dpop,
    /// The token endpoint.
    Mint,
    /// The Gateway, each call with a mandate that it has never seen.
    FirstUse,
}

impl Contender {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 7] = [
        Self::Direct,
        Self::Nginx,
        Self::Relay,
        Self::Governed,
        Self::Dpop,
        Self::Mint,
        Self::FirstUse,
    ];

    /// The part of a run that it is.
    pub(crate) fn part(self) -> Part {
        match self {
            Self::Direct => Part::Direct,
            Self::Nginx => Part::Nginx,
            Self::Relay => Part::Relay,
            Self::Governed => Part::Governed,
            Self::Dpop => Part::Dpop,
            Self::Mint => Part::Mint,
            Self::FirstUse => Part::FirstUse,
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
            Self::Dpop => "dpop",
            Self::Mint => "mint",
            Self::FirstUse => "first use",
        })
    }
}

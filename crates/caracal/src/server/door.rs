//! The doors of a server.

use std::fmt;
use std::str::FromStr;

/// A door that a server can open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Door {
    /// What agents speak to.
    Sts,
    /// What calls go through.
    Gateway,
    /// What operators speak to: the control API and the console.
    Console,
}

impl Door {
    /// Every door.
    pub(crate) const ALL: [Self; 3] = [Self::Sts, Self::Gateway, Self::Console];

    /// The name in settings and answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Gateway => "gateway",
            Self::Console => "console",
        }
    }

    /// Where it listens when nothing else is said.
    pub(crate) const fn default_listen(self) -> &'static str {
        match self {
            Self::Sts => "localhost:8080",
            Self::Gateway => "localhost:8081",
            Self::Console => "localhost:3001",
        }
    }

    /// The variable that says where it listens.
    pub(crate) const fn listen_variable(self) -> &'static str {
        match self {
            Self::Sts => "CARACAL_STS_LISTEN",
            Self::Gateway => "CARACAL_GATEWAY_LISTEN",
            Self::Console => "CARACAL_CONSOLE_LISTEN",
        }
    }

    /// The path that tells whether it is ready.
    pub(crate) const fn ready_path(self) -> &'static str {
        match self {
            Self::Gateway => "/.caracal/ready",
            Self::Sts | Self::Console => "/ready",
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Door {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL
            .into_iter()
            .find(|door| door.name() == text.trim());
        found.ok_or_else(|| format!("`{text}` is no door: use `sts`, `gateway` or `console`"))
    }
}

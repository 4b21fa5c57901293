//! The program that takes this one's place at a restart.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::failure::{Context, Failure, Outcome};
use crate::process;
use crate::server::handover::{self, Handover};

/// How long the successor may take to say whether it could start.
const CHECK: Duration = Duration::from_secs(20);

/// The program at the path of this one, which may be a newer one by now, with this one's
/// arguments.
#[derive(Debug, Clone)]
pub(crate) struct Successor {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Successor {
    /// The successor of this process. To be asked at the start, while the path is still known.
    pub(crate) fn of_this_process() -> Outcome<Self> {
        let program = std::env::current_exe().context("the path of this program is not known")?;
        let arguments = std::env::args_os().skip(1).collect();
        Ok(Self { program, arguments })
    }

    /// Lets the successor look at settings and files, without starting.
    ///
    /// # Errors
    /// With what it says against it, or when it cannot be started at all.
    pub(crate) fn check(&self) -> Outcome<()> {
        let mut arguments = self.arguments.clone();
        arguments.push("--check".into());
        process::check_of(&self.program, &arguments, CHECK)
    }

    /// Becomes the successor; this returns only when that is not possible.
    pub(crate) fn replace_this_process(&self, handover: &Handover) -> Failure {
        let own = std::process::id().to_string();
        match handover.send() {
            Ok(left) => process::become_program(
                &self.program,
                &self.arguments,
                (handover::VARIABLE, &own),
                left,
            ),
            Err(failure) => failure,
        }
    }
}

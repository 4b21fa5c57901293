//! What the tests need from outside: Debian's packages, a Python environment, Go modules, npm's packages.

mod curl;
mod debian;
mod go;
mod node;
mod python;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::{program, workspace};

/// Where the prepared tools lie. Tests find them here, or through the environment variables of [`Tools::tell`].
pub(crate) struct Tools {
    /// A Python that has the packages of `tests/clients/python/requirements.txt`.
    python: PathBuf,
    /// The built transparency-log client of `tests/clients/tlog`.
    tlog_client: PathBuf,
}

impl Tools {
    /// Tells a test run where the tools are.
    pub(crate) fn tell(&self, command: &mut Command) {
        command
            .env("CARACAL_TEST_PYTHON", &self.python)
            .env("CARACAL_TEST_TLOG_CLIENT", &self.tlog_client);
    }

    /// Runs the clients' own tests: a checker that cannot fail proves nothing.
    pub(crate) fn check_clients(&self) -> Result<()> {
        go::test(&workspace::root()?)?;
        node::test(&workspace::root()?)?;
        python::test(&workspace::root()?, &self.python)
    }
}

/// Installs what is missing, or fails with the line that installs it; never leaves a test to skip itself.
pub(crate) fn run() -> Result<Tools> {
    let root = workspace::root()?;
    for component in ["fmt", "clippy"] {
        if program::find_output(program::cargo(&root).args([component, "--version"])).is_none() {
            bail!(
                "`cargo {component}` is missing; install it with `rustup component add rustfmt clippy`"
            );
        }
    }
    let mut packages = Vec::new();
    packages.extend_from_slice(python::missing_packages(&root));
    packages.extend_from_slice(curl::missing_packages(&root));
    if !packages.is_empty() {
        debian::install(&root, &packages)?;
        let still = [
            python::missing_packages(&root),
            curl::missing_packages(&root),
        ]
        .concat();
        if !still.is_empty() {
            bail!(
                "`{}` installed, but an older program of the same name comes first on PATH",
                still.join(" ")
            );
        }
    }
    let target = workspace::target_dir()?;
    let tools = Tools {
        python: python::prepare(&root, &target)?,
        tlog_client: go::prepare(&root, &target)?,
    };
    node::prepare(&root, &target)?;
    Ok(tools)
}

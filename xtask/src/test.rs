//! Everything that must hold before a change lands.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::step::Steps;
use crate::{deny, prepare, program, totals::Totals, workspace};

/// Prepares, runs every step even when an earlier one failed, and prints the totals last.
pub(crate) fn run() -> Result<ExitCode> {
    let root = workspace::root()?;
    let mut steps = Steps::default();
    let mut tools = None;
    steps.run("setup", || {
        tools = Some(prepare::run()?);
        Ok(())
    });
    let tools = tools.context("the tests cannot run without their tools")?;
    let mut totals = Totals::default();

    steps.run("format", || {
        program::run(program::cargo(&root).args(["fmt", "--all", "--", "--check"]))
    });
    steps.run("lints", || {
        program::run(
            program::cargo(&root)
                .args(["clippy", "--locked", "--workspace", "--all-targets"])
                .args(["--", "-D", "warnings"]),
        )
    });
    steps.run("tests", || {
        let mut tests = program::cargo(&root);
        tests.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
        tools.tell(&mut tests);
        program::run_lines(&mut tests, |line| totals.read(line))?;
        if totals.passed == 0 {
            bail!("no test ran");
        }
        Ok(())
    });
    steps.run("test clients", || tools.check_clients());
    steps.run("dependency rules", deny::run);

    steps.print();
    println!("{totals}");
    Ok(steps.code())
}

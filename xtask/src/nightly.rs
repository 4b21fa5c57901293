//! The long variants of the tests: too slow for every change, right for every night.

use std::process::ExitCode;

use anyhow::Result;

use crate::{prepare, program, totals::Totals, workspace};

/// How often the kill loop ends a running stack.
const KILLS: &str = "100";
/// Cases of each property test.
const PROPERTY_CASES: &str = "100000";

/// Runs every test, the ignored ones too, in release and with the long counts.
///
/// A count that the caller has set in the environment stays as it is.
pub(crate) fn run() -> Result<ExitCode> {
    let root = workspace::root()?;
    let tools = prepare::run()?;
    let mut totals = Totals::default();
    let mut tests = program::cargo(&root);
    tests
        .args(["test", "--workspace", "--release", "--no-fail-fast"])
        .args(["--", "--include-ignored"]);
    tools.tell(&mut tests);
    for (name, value) in [
        ("CARACAL_TEST_LONG", "1"),
        ("CARACAL_TEST_KILLS", KILLS),
        ("PROPTEST_CASES", PROPERTY_CASES),
    ] {
        if std::env::var_os(name).is_none() {
            tests.env(name, value);
        }
    }
    let outcome = program::run_lines(&mut tests, |line| totals.read(line));
    if let Err(error) = &outcome {
        eprintln!("error: {error:#}");
    }
    println!("{totals}");
    Ok(if outcome.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

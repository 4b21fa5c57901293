//! The long variants: too slow for every change, right for every night.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::step::Steps;
use crate::{bench, dist, prepare, program, totals::Totals, workspace};

/// How often the kill loop ends a running stack.
const KILLS: &str = "100";
/// Cases of each property test.
const PROPERTY_CASES: &str = "100000";
/// Steps of the random histories of authority.
const MODEL_STEPS: &str = "1000000";
/// How long each fuzz target is fuzzed, in seconds.
const FUZZ_SECONDS: &str = "60";
/// How long the server is kept saturated, in minutes.
const SOAK_MINUTES: &str = "10";

/// A part of the night.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Every test, the ignored ones too, in release and with the long counts
    Tests,
    /// Every fuzz target for a minute; needs a nightly compiler
    Fuzz,
    /// The figures, and whether each aim is met
    Bench,
    /// Minutes of saturation
    Soak,
    /// What is handed out
    Dist,
}

/// Runs these parts, or all, each though an earlier one failed, and prints the totals last.
///
/// A count that the caller has set in the environment stays as it is.
pub(crate) fn run(only: &[Part]) -> Result<ExitCode> {
    let wants = |part| only.is_empty() || only.contains(&part);
    let mut steps = Steps::default();
    let mut totals = Totals::default();
    if wants(Part::Tests) {
        steps.run("tests", || tests(&mut totals));
    }
    if wants(Part::Fuzz) {
        steps.run("fuzz", fuzz);
    }
    if wants(Part::Bench) {
        steps.run("bench", || bench::measure(&[]));
    }
    if wants(Part::Soak) {
        let arguments = ["--soak", SOAK_MINUTES].map(str::to_owned);
        steps.run("soak", || bench::measure(&arguments));
    }
    if wants(Part::Dist) {
        steps.run("dist", || dist::run().map(drop));
    }
    steps.print();
    println!("{totals}");
    Ok(steps.code())
}

fn tests(totals: &mut Totals) -> Result<()> {
    let root = workspace::root()?;
    let tools = prepare::run()?;
    let mut tests = program::cargo(&root);
    tests
        .args(["test", "--workspace", "--release", "--no-fail-fast"])
        .args(["--", "--include-ignored"]);
    tools.tell(&mut tests);
    for (name, value) in [
        ("CARACAL_TEST_LONG", "1"),
        ("CARACAL_TEST_KILLS", KILLS),
        ("PROPTEST_CASES", PROPERTY_CASES),
        ("CARACAL_TEST_MODEL_STEPS", MODEL_STEPS),
    ] {
        if std::env::var_os(name).is_none() {
            tests.env(name, value);
        }
    }
    program::run_lines(&mut tests, |line| totals.read(line))?;
    if totals.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

fn fuzz() -> Result<()> {
    let root = workspace::root()?;
    // rustup's cargo, which knows toolchains; the one that runs this task is of one toolchain.
    let mut nightly = program::command("cargo", &root);
    nightly.env_remove("RUSTUP_TOOLCHAIN");
    if program::find_output(nightly.args(["+nightly", "--version"])).is_none() {
        bail!("there is no nightly compiler; install it with `rustup toolchain install nightly`");
    }
    program::run(
        program::command(root.join("fuzz/run"), &root)
            .arg(FUZZ_SECONDS)
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("CARGO_TARGET_DIR"),
    )
}

//! Everything that must hold before a change lands.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{deny, prepare, program, totals::Totals, workspace};

struct Step {
    name: &'static str,
    took: Duration,
    passed: bool,
}

/// Prepares, runs every step even when an earlier one failed, and prints the totals last.
pub(crate) fn run() -> Result<ExitCode> {
    let root = workspace::root()?;
    let started = Instant::now();
    let tools = prepare::run()?;
    let mut steps = vec![Step {
        name: "setup",
        took: started.elapsed(),
        passed: true,
    }];
    let mut totals = Totals::default();

    steps.push(step("format", || {
        program::run(program::cargo(&root).args(["fmt", "--all", "--", "--check"]))
    }));
    steps.push(step("lints", || {
        program::run(
            program::cargo(&root)
                .args(["clippy", "--locked", "--workspace", "--all-targets"])
                .args(["--", "-D", "warnings"]),
        )
    }));
    steps.push(step("tests", || {
        let mut tests = program::cargo(&root);
        tests.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
        tools.tell(&mut tests);
        program::run_lines(&mut tests, |line| totals.read(line))?;
        if totals.passed == 0 {
            bail!("no test ran");
        }
        Ok(())
    }));
    steps.push(step("test clients", || tools.check_clients()));
    steps.push(step("dependency rules", deny::run));

    println!();
    for step in &steps {
        let verdict = if step.passed { "passed" } else { "FAILED" };
        println!(
            "{verdict} {:>6.1} s  {}",
            step.took.as_secs_f64(),
            step.name
        );
    }
    println!("{totals}");
    Ok(if steps.iter().all(|step| step.passed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn step(name: &'static str, work: impl FnOnce() -> Result<()>) -> Step {
    println!("\n== {name}");
    let started = Instant::now();
    let outcome = work();
    if let Err(error) = &outcome {
        eprintln!("error: {error:#}");
    }
    Step {
        name,
        took: started.elapsed(),
        passed: outcome.is_ok(),
    }
}

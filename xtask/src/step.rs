//! The steps of a long task: each is run though an earlier one failed, and all are told at the end.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

/// What came of each step so far.
#[derive(Default)]
pub(crate) struct Steps(Vec<Step>);

struct Step {
    name: &'static str,
    took: Duration,
    passed: bool,
}

impl Steps {
    /// Runs a step and keeps what came of it.
    pub(crate) fn run(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) {
        println!("\n== {name}");
        let started = Instant::now();
        let outcome = work();
        if let Err(error) = &outcome {
            eprintln!("error: {error:#}");
        }
        self.0.push(Step {
            name,
            took: started.elapsed(),
            passed: outcome.is_ok(),
        });
    }

    /// Prints a line for each step.
    pub(crate) fn print(&self) {
        println!();
        for step in &self.0 {
            let verdict = if step.passed { "passed" } else { "FAILED" };
            println!(
                "{verdict} {:>6.1} s  {}",
                step.took.as_secs_f64(),
                step.name
            );
        }
    }

    /// Success when every step passed.
    pub(crate) fn code(&self) -> ExitCode {
        if self.0.iter().all(|step| step.passed) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

//! The project's own tasks, run as `cargo xtask CMD`.
//!
//! This program checks, builds and starts things for people and for CI. It must
//! never be a dependency of anything that ships, and holds no rule about
//! authority: what Caracal does is decided in `crates/`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a task runner reads the environment, starts programs and talks to a terminal"
)]

mod bench;
mod deny;
mod dist;
mod nightly;
mod prepare;
mod program;
mod quickstart;
mod sbom;
mod step;
mod test;
mod tidy;
mod totals;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own tasks")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the tests need and cannot build themselves
    Setup,
    /// Build the release binary, start the local stack and show one governed run
    Quickstart {
        /// Passed on to `caracal quickstart`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Pass every test: setup, format, lints, tests, dependency rules
    Test,
    /// The long variants: tests, fuzzing, figures, a soak, what is handed out
    Nightly {
        /// Only these parts
        #[arg(long, value_enum, value_delimiter = ',')]
        only: Vec<nightly::Part>,
    },
    /// Measure the governed call and the mint beside nginx and a bare relay, in release
    Bench {
        /// Passed on to `caracal-bench run`, for example `--quick` or `--compare FILE`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Build what is handed out: the binary, its license, and the list of what is in it
    Dist,
    /// Write the list of what is in the binary (CycloneDX) alone
    Sbom,
    /// Check the house rules
    Tidy,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Setup => prepare::run().map(|_tools| ExitCode::SUCCESS),
        Task::Quickstart { arguments } => quickstart::run(&arguments),
        Task::Test => test::run(),
        Task::Nightly { only } => nightly::run(&only),
        Task::Bench { arguments } => bench::run(&arguments),
        Task::Dist => dist::run(),
        Task::Sbom => dist::list(),
        Task::Tidy => tidy::run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

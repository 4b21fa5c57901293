//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::contender::Part;

/// The command line of `caracal-bench`.
#[derive(Parser)]
#[command(
    name = "caracal-bench",
    about = "Measures the governed call and the mint"
)]
pub(crate) struct Arguments {
    /// What this process is.
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// What a process of this program does.
#[derive(Subcommand)]
pub(crate) enum Task {
    /// Measure and print a table
    Run(Options),
    /// The upstream: answers 1 KiB; a process of its own
    #[command(hide = true)]
    Upstream {
        /// Demand this key as `Authorization: Bearer`
        #[arg(long)]
        key: Option<String>,
    },
    /// The bare relay; a process of its own
    #[command(hide = true)]
    Relay {
        /// Where it sends everything
        #[arg(long)]
        upstream: SocketAddr,
    },
}

/// The options of a run.
#[derive(Args)]
pub(crate) struct Options {
    /// How long each contender is measured in each round
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How many rounds; the median of them counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: u64,
    /// One round of one second each, to see that everything works; the figures mean little
    #[arg(long, conflicts_with_all = ["seconds", "rounds"])]
    quick: bool,
    /// Measure only these; ratios need those that they are against
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Print the differences from an earlier run's JSON file
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,
    /// Instead of measuring parts: call without a pause for so many minutes, then see what is left
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=1440), conflicts_with_all = ["only", "compare"])]
    pub(crate) soak: Option<u64>,
    /// The server's binary; by default `caracal` beside this program
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where the server's home and the JSON file lie; by default `target/bench`
    #[arg(long)]
    directory: Option<PathBuf>,
}

impl Options {
    /// True when this part is wanted.
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// True when the figures mean little.
    pub(crate) fn is_quick(&self) -> bool {
        self.quick
    }

    /// How many rounds.
    pub(crate) fn rounds(&self) -> u64 {
        if self.quick { 1 } else { self.rounds }
    }

    /// How long each is measured.
    pub(crate) fn measured(&self) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { self.seconds })
    }

    /// How long each runs before it is measured.
    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_millis(if self.quick { 200 } else { 1000 })
    }

    /// How long each organ is measured.
    pub(crate) fn micro(&self) -> Duration {
        Duration::from_millis(if self.quick { 100 } else { 2000 })
    }

    /// The server's binary.
    pub(crate) fn binary(&self) -> Result<PathBuf> {
        let path = match &self.binary {
            Some(path) => path.clone(),
            None => built()?.with_file_name("caracal"),
        };
        path.canonicalize().with_context(|| {
            format!(
                "there is no server at `{}`; build it with `cargo build --release -p caracal`",
                path.display()
            )
        })
    }

    /// The run's directory; it is made.
    pub(crate) fn directory(&self) -> Result<PathBuf> {
        let path = match &self.directory {
            Some(path) => path.clone(),
            None => {
                let program = built()?;
                let target = program.parent().and_then(|profile| profile.parent());
                target
                    .context("this program lies in no target directory; use `--directory`")?
                    .join("bench")
            }
        };
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make `{}`", path.display()))?;
        path.canonicalize()
            .with_context(|| format!("cannot find `{}`", path.display()))
    }
}

fn built() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find this program's own file")
}

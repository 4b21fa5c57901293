//! The benchmarks: the governed call beside a plain call, nginx and a bare relay of our own, the
//! mint, and the organs by themselves.
//!
//! Everything is measured in one run, in rounds that take turns, so that a machine that gets
//! slower gets slower for all; what counts are the ratios. The server measured is the real
//! release binary in a home of its own. This program must never be part of what ships, and
//! never measure anything that is not checked to have worked.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark starts programs, reads the environment and talks to a terminal"
)]

mod arguments;
mod child;
mod compare;
mod contender;
mod cpu;
mod fsync;
mod growth;
mod http_call;
mod latency;
mod load;
mod machine;
mod measure;
mod memory;
mod micro;
mod nginx;
mod relay;
mod report;
mod revocation;
mod rounds;
mod seed;
mod sessions;
mod size;
mod soak;
mod stack;
mod table;
mod upstream;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use arguments::{Arguments, Task};

// The same as the server's, so that the relay is a fair yardstick.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match start() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot start")?;
    let done = runtime.block_on(async {
        match arguments.task {
            // A run that is broken off stops the server and nginx all the same.
            Task::Run(options) => tokio::select! {
                done = rounds::run(&options) => done,
                why = broken_off() => why.and_then(|()| bail!("broken off")),
            },
            Task::Upstream { key } => upstream::serve(key).await.map(|()| ExitCode::SUCCESS),
            Task::Relay { upstream } => relay::serve(upstream).await.map(|()| ExitCode::SUCCESS),
        }
    });
    // A thread that waits for standard input would keep the process.
    runtime.shutdown_background();
    done
}

async fn broken_off() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("no signals can be heard")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("no signals can be heard"),
        _ = terminate.recv() => Ok(()),
    }
}

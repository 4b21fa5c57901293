//! `caracal`: the command line, configuration and wiring.
//!
//! It starts servers out of the crates beside it, and its management commands are clients of
//! the public API like anyone's: they have no privilege that the API lacks. Only here are the
//! environment, the clock and other processes touched, each in one module.

mod backup;
mod cli;
mod client;
mod clock;
mod environment;
mod failure;
mod home;
mod process;
mod quickstart;
mod restore;
mod run;
mod server;
mod stack;
mod table;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use failure::Failure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal::fail(&failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn start(cli: Cli) -> Result<(), Failure> {
    // Every TLS connection of the process uses this one provider.
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    installed.map_err(|_| Failure::new("TLS cannot be set up"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime =
        runtime.map_err(|error| Failure::new(format!("the runtime cannot start: {error}")))?;
    let result = runtime.block_on(run::run(cli));
    // A thread that waits for standard input would keep the process.
    runtime.shutdown_background();
    result
}

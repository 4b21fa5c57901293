//! `curl`, of other people's making.

use std::process::Command;

use super::Output;
use super::cli::run;

/// Runs `curl`, which prints the body, then status and version of HTTP in a line of their own.
pub fn curl(arguments: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--noproxy",
            "*",
        ])
        .args(["--write-out", "\n%{http_code} %{http_version}"])
        .args(arguments);
    run(command, b"")
}

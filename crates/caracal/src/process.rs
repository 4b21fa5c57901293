//! The one place that starts processes.
#![expect(
    clippy::disallowed_methods,
    reason = "the binary starts processes, here only"
)]

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::failure::{Context, Failure, Outcome};

/// The most that an operator's command may write, in bytes.
const MAX_OUTPUT: u64 = 64 * 1024;

/// What a process of ours is given of the environment.
pub(crate) enum Given<'a> {
    /// Everything, with these variables set.
    Everything(&'a [(&'a str, &'a str)]),
    /// Nothing: what holds secrets stays here.
    Nothing,
}

/// Starts this same program again with other arguments, away from the terminal, with its
/// output in a file.
pub(crate) fn start_self(arguments: &[String], given: &Given<'_>, output: &Path) -> Outcome<Child> {
    let program = std::env::current_exe().context("the path of this program is not known")?;
    // A log that cannot be written is no reason not to start.
    let out = crate::home::append(output)
        .or_else(|_| std::fs::OpenOptions::new().write(true).open("/dev/null"))
        .context(format!("`{}`", output.display()))?;
    let err: File = out.try_clone().context(format!("`{}`", output.display()))?;
    let mut command = Command::new(&program);
    match given {
        Given::Everything(set) => command.envs(set.iter().copied()),
        Given::Nothing => command.env_clear(),
    };
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
        .context(format!("`{}` cannot be started", program.display()))
}

/// Runs a program that only looks whether it could start.
///
/// # Errors
/// With the last thing that it said, when it could not, cannot be run, or takes too long.
pub(crate) fn check_of(program: &Path, arguments: &[OsString], limit: Duration) -> Outcome<()> {
    let said = tempfile::tempfile().context("there is no room for what it says")?;
    let kept = said
        .try_clone()
        .context("there is no room for what it says")?;
    let shown = program.display();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said)
        .spawn()
        .context(format!("`{shown}` cannot be started"))?;
    let deadline = Instant::now() + limit;
    let status = loop {
        match child.try_wait().context(format!("`{shown}`"))? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                // It is over either way.
                let _ = child.kill();
                let _ = child.wait();
                return Err(Failure::new(format!("`{shown}` does not answer")));
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    if status.success() {
        return Ok(());
    }
    let mut bytes = vec![0; 4096];
    let length = kept.read_at(&mut bytes, 0).unwrap_or(0);
    bytes.truncate(length);
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim();
    Err(Failure::new(if text.is_empty() {
        format!("`{shown}` ended with {status}")
    } else {
        text.to_owned()
    }))
}

/// Becomes another program, with this as its standard input. It returns only when that fails.
pub(crate) fn become_program(
    program: &Path,
    arguments: &[OsString],
    (name, value): (&str, &str),
    input: OwnedFd,
) -> Failure {
    let error = Command::new(program)
        .args(arguments)
        .env(name, value)
        .stdin(Stdio::from(input))
        .exec();
    Failure::new(format!(
        "`{}` cannot be started: {error}",
        program.display()
    ))
}

/// Runs an operator's command in a shell and gives what it wrote to standard output. Its
/// output is never part of an error: it may be a secret.
pub(crate) fn output_of(command: &str, limit: Duration) -> Outcome<Vec<u8>> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("the shell `/bin/sh` cannot be started")?;
    let out = child.stdout.take();
    let (sender, output) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = out.map(|out| out.take(MAX_OUTPUT).read_to_end(&mut bytes));
        // Nobody listens any more when the limit was reached first.
        let _ = sender.send(read.transpose().map(|_| bytes));
    });
    let deadline = Instant::now() + limit;
    let status = loop {
        match child
            .try_wait()
            .context("the command cannot be waited for")?
        {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                // It is over either way; what it wrote so far is no answer.
                let _ = child.kill();
                let _ = child.wait();
                return Err(Failure::new(format!(
                    "it did not end within {} s",
                    limit.as_secs()
                )));
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    if !status.success() {
        return Err(Failure::new(format!("it ended with {status}")));
    }
    // Something that it left behind may still hold its output open.
    let left = deadline.saturating_duration_since(Instant::now());
    let bytes = output
        .recv_timeout(left)
        .context("its output does not end")?;
    bytes.context("its output cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_answers_fails_or_is_ended() {
        let limit = Duration::from_secs(20);
        assert_eq!(output_of("printf abc", limit).unwrap(), b"abc");
        assert!(
            output_of("printf secret; exit 3", limit)
                .unwrap_err()
                .message
                .contains('3')
        );
        assert!(output_of("sleep 60", Duration::from_millis(50)).is_err());
    }
}

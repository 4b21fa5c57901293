//! Stopping the local stack, and removing its data.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::cli::PurgeArgs;
use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, HomeLock, StackRecord, find_holder_of};
use crate::terminal;

/// Longer than a server drains by default.
const WAIT: Duration = Duration::from_secs(45);

/// `caracal down`.
pub(crate) fn down(home: &Home, json: bool) -> Outcome<()> {
    let upstream = end_process(&home.join("demo/upstream.lock"), WAIT)?;
    let pid = end_stack(home)?;
    if json {
        return terminal::json(&serde_json::json!({ "stopped": pid }));
    }
    match pid {
        Some(pid) => terminal::line(format_args!(
            "stopped process {pid}; the data stays in `{}`",
            home.dir().display()
        ))?,
        None => terminal::line(format_args!(
            "no stack is running in `{}`",
            home.dir().display()
        ))?,
    }
    if upstream.is_some() {
        terminal::line("stopped the demo upstream")?;
    }
    Ok(())
}

/// Asks the stack to end, and waits as long as its calls may go on.
fn end_stack(home: &Home) -> Outcome<Option<u32>> {
    let lock = home.join("caracal.lock");
    let record = find_holder_of(&lock)?.and_then(|pid| StackRecord::find(home, pid));
    let patience = record.map_or(WAIT, |record| record.patience());
    end_process(&lock, patience.max(WAIT))
}

/// Asks the holder of a lock to end, and waits until it has. Only the process that holds the
/// lock now is asked: an id that an older one left may be another process by now.
fn end_process(lock: &Path, wait: Duration) -> Outcome<Option<u32>> {
    let Some(pid) = find_holder_of(lock)? else {
        return Ok(None);
    };
    let target = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let target = target.ok_or_else(|| {
        Failure::new(format!(
            "`{}` is held by a process that is just starting",
            lock.display()
        ))
        .hint("try again")
    })?;
    if !holds(pid, lock) {
        return Err(Failure::new(format!(
            "`{}` is held by a process that is just starting",
            lock.display()
        ))
        .hint("try again"));
    }
    kill_process(target, Signal::TERM).context(format!("process {pid} cannot be stopped"))?;
    let deadline = Instant::now() + wait;
    while find_holder_of(lock)? == Some(pid) {
        if Instant::now() > deadline {
            return Err(Failure::new(format!(
                "process {pid} is still running after {} s",
                wait.as_secs()
            ))
            .hint("`caracal logs` tells what it waits for"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(Some(pid))
}

/// True when the process has the lock's file open. Until a new holder has written its id, the
/// file names the one before it.
fn holds(pid: u32, lock: &Path) -> bool {
    let wanted = std::fs::canonicalize(lock).ok();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"));
    open.into_iter()
        .flatten()
        .flatten()
        .any(|file| wanted.is_some() && std::fs::read_link(file.path()).ok() == wanted)
}

/// `caracal purge`.
pub(crate) fn purge(home: &Home, args: &PurgeArgs, json: bool) -> Outcome<()> {
    let shown = home.dir().display().to_string();
    if !home.dir().exists() {
        return tell_purged(&shown, false, json);
    }
    if !args.yes {
        if !terminal::can_ask() {
            return Err(Failure::usage(format!(
                "purging removes every key, zone and log in `{shown}`"
            ))
            .hint("say `--yes` when that is meant"));
        }
        let answer = terminal::ask(&format!(
            "This removes every key, zone and log in `{shown}`, for good. Type `purge` to go on:"
        ))?;
        if answer != "purge" {
            return Err(Failure::new("nothing was removed"));
        }
    }
    end_process(&home.join("demo/upstream.lock"), WAIT)?;
    end_stack(home)?;
    // Nobody starts while the files go.
    let held = HomeLock::take(home)?;
    home.remove()?;
    drop(held);
    tell_purged(&shown, true, json)
}

fn tell_purged(shown: &str, purged: bool, json: bool) -> Outcome<()> {
    if json {
        return terminal::json(&serde_json::json!({ "purged": purged, "home": shown }));
    }
    if purged {
        terminal::line(format_args!("removed the data in `{shown}`"))
    } else {
        terminal::line(format_args!("there is no data in `{shown}`"))
    }
}

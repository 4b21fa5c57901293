//! Restarting the local stack in place.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, HomeLock, StackRecord, find_holder};
use crate::stack::StackStatus;
use crate::terminal;

/// How long the new program may take to say that it could start, and to start.
const START: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// `caracal restart`: the same process, with the program and the settings as they are now. No
/// connection is refused meanwhile.
pub(crate) async fn restart(home: &Home, json: bool) -> Outcome<()> {
    let Some(pid) = find_holder(home)? else {
        return Err(
            Failure::new(format!("no stack is running in `{}`", home.dir().display()))
                .hint("`caracal up` starts it"),
        );
    };
    // The signal of a second one could meet the new program before it listens for it.
    let _turn = HomeLock::take_file(&home.join("restart.lock"), |_| {
        Failure::new("the stack is already being restarted")
            .hint("`caracal status --ready` waits for it")
    })?;
    let Some(before) = StackRecord::find(home, pid) else {
        return Err(
            Failure::new(format!("process {pid} is just starting or ending"))
                .hint("`caracal status --ready` waits for it"),
        );
    };
    if before.start.is_empty() {
        return Err(Failure::new(format!(
            "process {pid} is of a version that cannot be restarted ({})",
            before.version
        ))
        .hint("`caracal down` and `caracal up` do"));
    }
    let target = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let target = target.ok_or_else(|| Failure::new(format!("{pid} is no process")))?;
    kill_process(target, Signal::USR2).context(format!("process {pid} cannot be told"))?;
    let wait = before.patience().saturating_add(START);
    let deadline = Instant::now() + wait;
    loop {
        if find_holder(home)? != Some(pid) {
            return Err(
                Failure::new("the stack has ended instead of starting again")
                    .hint("`caracal logs` tells why, `caracal up` starts it"),
            );
        }
        if let Some(record) = StackRecord::find(home, pid) {
            // A new start counts its refusals anew.
            if record.start != before.start {
                let status = StackStatus::look(home).await?;
                if status.ready {
                    return tell(&status, json);
                }
            } else if record.refusals != before.refusals {
                let why = record.refused.unwrap_or_default();
                return Err(Failure::new(format!(
                    "the stack cannot start again and goes on as it is: {why}"
                )));
            }
        }
        if Instant::now() > deadline {
            return Err(Failure::new(format!(
                "the stack has not started again after {} s",
                wait.as_secs()
            ))
            .hint("`caracal logs` tells what it waits for"));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn tell(status: &StackStatus, json: bool) -> Outcome<()> {
    if json {
        return terminal::json(status);
    }
    terminal::line(format_args!(
        "Caracal {} runs anew (process {}, `{}`)",
        status.version,
        status.pid.unwrap_or_default(),
        status.home
    ))
}

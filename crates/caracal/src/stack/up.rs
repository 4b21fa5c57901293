//! Starting the local stack.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::cli::UpArgs;
use crate::environment::Environment;
use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, find_holder};
use crate::process::{self, Given};
use crate::server::{LogTarget, Settings, SettingsLayer, check, last_lines, serve};
use crate::stack::StackStatus;
use crate::terminal;

const WAIT: Duration = Duration::from_secs(30);
/// One that is ending or restarting has calls to finish.
const ENDING: Duration = Duration::from_secs(75);
/// How often the stack is looked at meanwhile.
const POLL: Duration = Duration::from_millis(20);

/// `caracal up`.
pub(crate) async fn up(
    home: &Home,
    args: UpArgs,
    environment: &Environment,
    json: bool,
) -> Outcome<()> {
    if args.foreground {
        let settings = Settings::resolve(home.clone(), args.settings, environment, true)?;
        if args.check {
            return check(&settings);
        }
        return serve(settings, LogTarget::StandardError, environment).await;
    }
    let status = start(home, &args.settings, environment).await?;
    if json {
        let mut value = serde_json::to_value(&status).context("the status cannot be written")?;
        if let Some(object) = value.as_object_mut() {
            object.insert("sign_in_url".to_owned(), serde_json::Value::Null);
        }
        return terminal::json(&value);
    }
    let pid = status.pid.unwrap_or_default();
    terminal::line(format_args!(
        "Caracal {} is running (process {pid}, `{}`)",
        status.version, status.home
    ))?;
    terminal::raw(&status.text())?;
    terminal::note("`caracal quickstart` shows what it does, `caracal down` stops it");
    Ok(())
}

/// Starts the stack when none runs, and waits until it is ready. When one is ending, it waits for
/// that first.
pub(crate) async fn start(
    home: &Home,
    flags: &SettingsLayer,
    environment: &Environment,
) -> Outcome<StackStatus> {
    home.prepare()?;
    let deadline = Instant::now() + ENDING;
    // One that is about to end, killed or told to stop, still holds the home for a moment.
    while find_holder(home)?.is_some() {
        let status = StackStatus::look(home).await?;
        if status.ready {
            return Ok(status);
        }
        if Instant::now() > deadline {
            return Err(not_ready(home));
        }
        tokio::time::sleep(POLL).await;
    }
    // A mistake in the settings is told here, not in a log file.
    Settings::resolve(home.clone(), flags.clone(), environment, true)?;
    let log = home.log();
    let begin = std::fs::metadata(&log).map_or(0, |found| found.len());
    let mut arguments = vec![
        "serve".to_owned(),
        "--local".to_owned(),
        "--background-child".to_owned(),
    ];
    arguments.extend(flags.to_arguments());
    let dir = home.dir().display().to_string();
    let mut child = process::start_self(
        &arguments,
        &Given::Everything(&[("CARACAL_HOME", &dir)]),
        &log,
    )?;
    let deadline = Instant::now() + WAIT;
    loop {
        let status = StackStatus::look(home).await?;
        // Two that start at once: one of them serves, and that is what was asked for. The other
        // must not wait until the home is free and then serve after all.
        if status.ready {
            if status.pid != Some(child.id()) {
                // One that has ended is what is wanted.
                let _ = child.kill();
                child.wait().context("the server cannot be watched")?;
            }
            return Ok(status);
        }
        let ended = child.try_wait().context("the server cannot be watched")?;
        if let Some(ended) = ended
            && find_holder(home)?.is_none()
        {
            return Err(failed(
                &log,
                begin,
                &format!("the stack did not start ({ended})"),
            ));
        }
        if Instant::now() > deadline {
            return Err(failed(&log, begin, "the stack is not ready after 30 s"));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn not_ready(home: &Home) -> Failure {
    let shown = home.dir().display();
    Failure::new(format!(
        "the stack in `{shown}` is running but not ready after {} s",
        ENDING.as_secs()
    ))
    .hint("`caracal logs` tells why, `caracal down` stops it")
}

/// The failure with the last lines that the server logged.
fn failed(log: &Path, begin: u64, why: &str) -> Failure {
    let lines = last_lines(log, 20, begin).unwrap_or_default();
    if lines.is_empty() {
        return Failure::new(why).hint(format!("see `{}`", log.display()));
    }
    let said = lines
        .iter()
        .map(|line| format!("\n  {line}"))
        .collect::<String>();
    Failure::new(format!("{why}; it said:{said}")).hint(format!(
        "the whole log is `{}`; `caracal doctor` looks for causes",
        log.display()
    ))
}

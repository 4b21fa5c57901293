//! `caracal audit verify`: every log again from its leaf bytes. No stored hash is trusted.

mod checker;
mod directory;
mod evidence;
#[cfg(test)]
pub(crate) mod fuzz;
mod keys;
mod ledger;
mod report;

pub(crate) use checker::Checker;
pub(crate) use directory::verify_directory;
pub(crate) use evidence::{Evidence, split as split_notes};
pub(crate) use ledger::verify_home;
pub(crate) use report::{BadNote, FirstBad, Report};

use crate::cli::{Global, VerifyArgs};
use crate::client::{Api, Target, audit};
use crate::environment::Environment;
use crate::failure::{Context, Exit, Failure, Outcome};
use crate::home::Home;
use crate::terminal;

/// `caracal audit verify`.
pub(crate) async fn verify(
    args: &VerifyArgs,
    global: &Global,
    environment: &Environment,
    home: &Home,
) -> Outcome<()> {
    let evidence = Evidence::read(&args.checkpoints, &args.receipts)?;
    let report = match &args.dir {
        Some(dir) => verify_directory(dir, evidence)?,
        None => match Target::find(global, environment, home)? {
            Target::Local => verify_home(home, evidence).await?,
            remote @ Target::Remote { .. } => {
                let api = Api::connect(remote, home)?;
                let dir = tempfile::tempdir().context("there is no place for the export")?;
                audit::export_for_verify(&api, global, environment, dir.path()).await?;
                verify_directory(dir.path(), evidence)?
            }
        },
    };
    tell(&report, global.json)?;
    if report.ok {
        Ok(())
    } else {
        Err(Failure::silent(Exit::Failed))
    }
}

fn tell(report: &Report, json: bool) -> Outcome<()> {
    if json {
        return terminal::json(report);
    }
    if report.ok {
        terminal::line(format_args!(
            "✓ {} events in {} logs are what was signed",
            report.events, report.logs
        ))?;
        return tell_pruned(report);
    }
    terminal::line(format_args!(
        "✗ the evidence is damaged ({} events in {} logs were read)",
        report.events, report.logs
    ))?;
    if let Some(bad) = &report.first_bad {
        terminal::line(format_args!(
            "  log `{}`, leaf {}: {}",
            bad.log, bad.index, bad.why
        ))?;
    }
    for bad in &report.bad_checkpoints {
        terminal::line(format_args!(
            "  a checkpoint of `{}` from {}: {}",
            bad.log, bad.label, bad.why
        ))?;
    }
    Ok(())
}

fn tell_pruned(report: &Report) -> Outcome<()> {
    if report.pruned > 0 {
        terminal::line(format_args!(
            "  {} older events are not kept any more, as the logs announced",
            report.pruned
        ))?;
    }
    if report.unchecked > 0 {
        terminal::line(format_args!(
            "  {} checkpoints and receipts speak of these alone and could not be checked",
            report.unchecked
        ))?;
    }
    Ok(())
}

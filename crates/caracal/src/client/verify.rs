//! `caracal audit verify`: every log again from its leaf bytes. No stored hash is trusted.

mod checker;
mod directory;
mod evidence;
mod keys;
mod ledger;

use serde::Serialize;

pub(crate) use checker::Checker;
pub(crate) use directory::verify_directory;
pub(crate) use evidence::{Evidence, split as split_notes};
pub(crate) use ledger::verify_home;

use crate::cli::{Global, VerifyArgs};
use crate::client::{Api, Target, audit};
use crate::environment::Environment;
use crate::failure::{Context, Exit, Failure, Outcome};
use crate::home::Home;
use crate::terminal;

/// The fixed shape of `audit verify --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// True when nothing is wrong with any log or with the evidence.
    pub(crate) ok: bool,
    /// The number of leaves that were read.
    pub(crate) events: u64,
    /// The number of logs.
    pub(crate) logs: u64,
    /// The number of leaves that are not kept any more, since their time was over.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) pruned: u64,
    /// The number of checkpoints and receipts that speak only of pruned leaves and that nothing
    /// stored can check any more: neither confirmed nor contradicted.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) unchecked: u64,
    /// The first leaf that is missing or wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_bad: Option<FirstBad>,
    /// Evidence that is none: checkpoints that no key of a log has signed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) bad_checkpoints: Vec<BadNote>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Where a log is bad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FirstBad {
    /// The log.
    pub(crate) log: String,
    /// The index of the leaf.
    pub(crate) index: u64,
    /// What is wrong.
    pub(crate) why: String,
}

/// A checkpoint that cannot serve as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct BadNote {
    /// The log that it is for.
    pub(crate) log: String,
    /// Where it comes from.
    pub(crate) label: String,
    /// What is wrong.
    pub(crate) why: String,
}

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

//! Asking policy.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use caracal_core::{Enforcement, Name, PolicySource, ResourceIdentifier, SessionId};
use caracal_policy::{CompiledPolicy, Effect, Phase, Question, RequestView, Vocabulary, compile};
use jiff::Timestamp;

use super::repeat;
use crate::latency::median;
use crate::report::MicroFigures;

const SESSION: &str = "ses_01890a5d-ac96-774b-bcce-b302099a8057";

pub(super) fn run(time: Duration) -> Result<Vec<MicroFigures>> {
    let mut figures = Vec::new();
    for count in [10, 1000] {
        let compiled = policies(count)?;
        for (phase, what) in [(Phase::Mint, "mint"), (Phase::Call, "call")] {
            let name = format!("policy: ask at {what}, {count} scoped policies");
            figures.push(ask(&name, time, &compiled, phase)?);
        }
    }
    Ok(figures)
}

/// For each phase, what a question costs with a thousand policies against ten: the middle of
/// several ratios, the two taken in turns.
pub(crate) fn growth(time: Duration) -> Result<Vec<(&'static str, f64)>> {
    const TURNS: u32 = 5;
    let (few, many) = (policies(10)?, policies(1000)?);
    let mut growth = Vec::new();
    for (phase, what) in [(Phase::Mint, "mint"), (Phase::Call, "call")] {
        let mut ratios = Vec::new();
        for _ in 0..TURNS {
            let each = time / (2 * TURNS);
            let of_few = ask("few", each, &few, phase)?;
            let of_many = ask("many", each, &many, phase)?;
            ratios.push(of_many.p50_us / of_few.p50_us.max(f64::MIN_POSITIVE));
        }
        growth.push((what, median(ratios).context("no ratio")?));
    }
    Ok(growth)
}

/// Each policy is about another application; ten resources share them.
fn policies(count: usize) -> Result<CompiledPolicy> {
    let mut vocabulary = Vocabulary::default();
    let mut sources = Vec::new();
    for i in 0..count {
        let (application, resource) = (format!("app-{i}"), format!("api-{}", i % 10));
        vocabulary.applications.insert(application.parse()?);
        vocabulary
            .resources
            .insert(resource.parse()?, vec![format!("{resource}:use").parse()?]);
        sources.push(PolicySource {
            name: format!("policy-{i}").parse()?,
            cedar: format!(
                "permit (principal in Application::\"{application}\", \
                 action == Action::\"{resource}:use\", \
                 resource == Resource::\"resource://{resource}\") \
                 when {{ context.request.method == \"GET\" && context.request.path like \"/v1/*\" }};"
            ),
        });
    }
    compile(&sources, &vocabulary).context("the policies do not compile")
}

fn ask(
    name: &str,
    time: Duration,
    compiled: &CompiledPolicy,
    phase: Phase,
) -> Result<MicroFigures> {
    let application: Name = "app-7".parse()?;
    let resource: ResourceIdentifier = "resource://api-7".parse()?;
    let session: SessionId = SESSION.parse()?;
    let labels = BTreeSet::new();
    let question = Question {
        phase,
        application: &application,
        session,
        labels: &labels,
        depth: 0,
        subject: None,
        action: "api-7:use",
        resource: &resource,
        now: Timestamp::UNIX_EPOCH,
        actor: None,
        delegation: None,
        approval: None,
        enforcement: Enforcement::Gateway,
        request: Some(RequestView {
            method: "GET",
            path: "/v1/items/1",
            host: "api.example",
            query: &[],
            tool: None,
            arguments: None,
        }),
    };
    if compiled.ask(&question).effect != Effect::Allow {
        bail!("the policy that is measured does not permit");
    }
    repeat(name, time, || compiled.ask(&question))
}

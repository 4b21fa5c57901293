//! `caracal quickstart`: an allowed, a denied and a revoked call, each really made.

mod agent;
mod call;
mod demo_zone;
mod report;
mod upstream;
mod upstream_process;

use caracal_wire::{EventExplanation, Page, RevocationBody, RevocationReceipt};
use serde_json::Value;

use crate::client::{Api, Evidence, Target, audit, verify_home};
use crate::environment::Environment;
use crate::failure::{Failure, Outcome};
use crate::home::Home;
use crate::server::{Door, SettingsLayer};
use crate::stack;
use crate::table::Table;

use agent::Agent;
use call::Answer;
use demo_zone::DemoZone;
use report::Report;

pub(crate) use upstream::demo_upstream;

/// `caracal quickstart`.
pub(crate) async fn quickstart(home: &Home, environment: &Environment, json: bool) -> Outcome<()> {
    let mut report = Report::new(json);
    let shown = show(home, environment, &mut report).await;
    report.finish(shown)
}

async fn show(home: &Home, environment: &Environment, report: &mut Report) -> Outcome<()> {
    let status = stack::start(home, &SettingsLayer::default(), environment).await?;
    let pid = status.pid.unwrap_or_default();
    report.step(
        "stack",
        format!("running in `{}` (process {pid})", status.home),
    )?;
    let url = |door| {
        status.find_url(door).map(str::to_owned).ok_or_else(|| {
            Failure::new(format!("the running server has no door `{door}`"))
                .hint("`caracal up` opens every door")
        })
    };
    let (sts, gateway) = (url(Door::Sts)?, url(Door::Gateway)?);
    let api = Api::connect(Target::Local, home)?;

    let upstream = upstream_process::start(home).await?;
    let zone = DemoZone::prepare(&api, home, &upstream).await?;
    report.step(
        "zone",
        format!(
            "`demo` has an application, a provider, a resource and a policy ({})",
            zone.id
        ),
    )?;

    let agent = Agent::new(&sts, &gateway, zone.clone())?;
    let mandate = agent.mint().await?;
    report.step(
        "mandate",
        format!(
            "{} for {} s: {}",
            mandate.id, mandate.seconds, mandate.scope
        ),
    )?;

    let refused = agent.call_directly(&upstream.url, &mandate).await?;
    refused.expect(401, None)?;
    report.step(
        "upstream",
        format!(
            "`{}` demands its own API key and refuses the mandate: {}",
            upstream.url, refused.status
        ),
    )?;

    let allowed = agent.chat(&mandate).await?;
    allowed.expect(200, None)?;
    let said = allowed.streamed_text();
    if !said.contains("demo upstream") || allowed.text.contains(&upstream.key) {
        return Err(Failure::new(
            "the allowed call was not answered as the demo upstream answers",
        ));
    }
    report.step(
        "allowed",
        format!("{} → {}, streamed: {said}", allowed.request, allowed.status),
    )?;

    let denied = agent.delete_model(&mandate).await?;
    denied.expect(403, Some("policy_denied"))?;
    report.step("denied", denied.line())?;

    let body = RevocationBody {
        anchor: mandate.id.clone(),
        reason: Some("quickstart".to_owned()),
    };
    let receipt: RevocationReceipt = api.post(&zone.path("revocations"), &body).await?;
    let revoked = agent.list_models(&mandate).await?;
    revoked.expect(401, Some("mandate_revoked"))?;
    let confirmed = receipt.confirmed_by.len();
    report.step(
        "revoked",
        format!(
            "{} ({confirmed} node confirmed after {} ms)",
            revoked.line(),
            receipt.elapsed_ms
        ),
    )?;

    show_audit(&api, &zone, [&allowed, &denied], report).await?;
    let verified = verify_home(home, Evidence::default()).await?;
    if !verified.ok {
        return Err(
            Failure::new("the ledger does not verify").hint("`caracal audit verify` tells where")
        );
    }
    report.step(
        "verified",
        format!(
            "{} events in {} logs are what was signed",
            verified.events, verified.logs
        ),
    )
}

/// Shows the trail of this run, and that both decisions stand in it.
async fn show_audit(
    api: &Api,
    zone: &DemoZone,
    decided: [&Answer; 2],
    report: &mut Report,
) -> Outcome<()> {
    let path = zone.path("events?limit=8");
    let mut page: Page<Value> = api.get(&path).await?;
    page.items.reverse();
    let mut table = Table::new(audit::HEADINGS);
    for event in &page.items {
        table.row(audit::cells(event));
    }
    let is_there = |answer: &Answer, kind: &str| {
        page.items.iter().any(|event| {
            event.get("request_id").and_then(Value::as_str) == answer.request_id.as_deref()
                && event.get("type").and_then(Value::as_str) == Some(kind)
        })
    };
    let [allowed, denied] = decided;
    if !is_there(allowed, "call.started") || !is_there(denied, "call.denied") {
        return Err(Failure::new("the calls are missing in the audit trail"));
    }
    report.step("audit", "every decision is in the ledger".to_owned())?;
    report.text(&table.text())?;
    let id = denied.request_id.as_deref().unwrap_or_default();
    let explained: EventExplanation = api.get(&zone.path(&format!("events/{id}/explain"))).await?;
    report.text(&format!(
        "\nWhy it was denied (`caracal audit explain {id} --zone demo`):\n"
    ))?;
    report.text(&audit::explanation_text(&explained))?;
    report.text("\n")
}

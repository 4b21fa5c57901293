//! `caracal approval`.

use caracal_wire::{ApprovalView, DecisionBody, ZoneView};

use crate::cli::ApprovalCommand;
use crate::client::api::segment;
use crate::client::zone::path_of;
use crate::client::{Api, listing};
use crate::failure::Outcome;
use crate::terminal;

/// `caracal approval …`.
pub(crate) async fn approvals(
    api: &Api,
    zone: &ZoneView,
    command: ApprovalCommand,
    json: bool,
) -> Outcome<()> {
    let all = path_of(zone, "approvals");
    let one = |id: &str| format!("{all}/{}", segment(id));
    match command {
        ApprovalCommand::List(args) => {
            let page = listing::fetch::<ApprovalView>(api, &all, &[], args.limit).await?;
            listing::print(
                &page,
                json,
                &["ID", "STATE", "UNTIL", "DECIDES", "APPLICATION", "ASKS FOR"],
                |approval| {
                    vec![
                        approval.id.clone(),
                        approval.status.clone(),
                        approval.expires_at.to_string(),
                        approval.by.clone(),
                        approval.application.clone(),
                        asks_for(approval),
                    ]
                },
            )
        }
        ApprovalCommand::Show { approval } => {
            let found: ApprovalView = api.get(&one(&approval)).await?;
            if json {
                return terminal::json(&found);
            }
            terminal::line(format_args!(
                "{} ({}, until {})",
                found.id, found.status, found.expires_at
            ))?;
            if let Some(reason) = &found.reason {
                terminal::line(format_args!("reason: {}", crate::table::plain(reason)))?;
            }
            match &found.shown {
                // The server has made it harmless; every line is shown as it is.
                Some(shown) => terminal::raw(&indented(shown)),
                None => terminal::line(format_args!("{}", asks_for(&found))),
            }
        }
        ApprovalCommand::Approve { approval, reason } => {
            let path = format!("{}/approve", one(&approval));
            decided(api.post(&path, &DecisionBody { reason }).await?, json)
        }
        ApprovalCommand::Reject { approval, reason } => {
            let path = format!("{}/reject", one(&approval));
            decided(api.post(&path, &DecisionBody { reason }).await?, json)
        }
    }
}

fn decided(approval: ApprovalView, json: bool) -> Outcome<()> {
    if json {
        return terminal::json(&approval);
    }
    terminal::line(format_args!(
        "{} `{}`: {}",
        approval.status,
        approval.id,
        asks_for(&approval)
    ))
}

/// What is asked for, in a line.
fn asks_for(approval: &ApprovalView) -> String {
    let request = &approval.request;
    let (resources, scopes) = (request.resources.join(" "), request.scopes.join(" "));
    match &request.method {
        Some(method) => {
            let path = request.path.as_deref().unwrap_or("a path of no rule");
            format!("{method} {path} on {resources} ({scopes})")
        }
        None => format!("mandate for {scopes} on {resources}"),
    }
}

fn indented(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| format!("  {}\n", crate::table::plain(line)));
    lines.collect()
}

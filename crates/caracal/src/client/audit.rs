//! `caracal audit`.

mod dump;
mod explanation;
mod line;
mod tail;

pub(crate) use dump::export_for_verify;
pub(crate) use explanation::text as explanation_text;
pub(crate) use line::{HEADINGS, cells};

use caracal_wire::{EventExplanation, IndexView, Page};
use serde_json::Value;

use crate::cli::{AuditCommand, EventFilter, Global, ListArgs};
use crate::client::api::segment;
use crate::client::zone::{find_log_zone, path_of};
use crate::client::{Api, Target, listing, verify};
use crate::environment::Environment;
use crate::failure::Outcome;
use crate::home::Home;
use crate::terminal;

/// `caracal audit …`.
pub(crate) async fn audit(
    command: AuditCommand,
    global: &Global,
    environment: &Environment,
    home: &Home,
) -> Outcome<()> {
    if let AuditCommand::Verify(args) = &command {
        return verify::verify(args, global, environment, home).await;
    }
    let api = Api::connect(Target::find(global, environment, home)?, home)?;
    if matches!(command, AuditCommand::RebuildIndex) {
        return rebuild_index(&api, global.json).await;
    }
    let zone = find_log_zone(&api, global, environment).await?;
    let events = path_of(&zone, "events");
    match command {
        AuditCommand::List { list, filter } => {
            print_list(&api, &events, &list, &filter, global.json).await
        }
        AuditCommand::Tail { filter } => tail::tail(&api, &events, &filter, global.json).await,
        AuditCommand::Explain { id } => {
            let path = format!("{events}/{}/explain", segment(&id));
            let explained: EventExplanation = api.get(&path).await?;
            if global.json {
                return terminal::json(&explained);
            }
            terminal::raw(&explanation::text(&explained))
        }
        AuditCommand::Export { dir } => dump::export(&api, &zone, &dir, global.json).await,
        AuditCommand::RebuildIndex | AuditCommand::Verify(_) => Ok(()),
    }
}

/// It goes on in the server; `status` tells how far it is.
async fn rebuild_index(api: &Api, json: bool) -> Outcome<()> {
    let index: IndexView = api.act("/v1/index/rebuild").await?;
    if json {
        return terminal::json(&index);
    }
    terminal::line(format_args!(
        "the index of {} events is being built anew; `caracal status --json` tells how far it is",
        index.newest
    ))
}

async fn print_list(
    api: &Api,
    events: &str,
    list: &ListArgs,
    filter: &EventFilter,
    json: bool,
) -> Outcome<()> {
    let page: Page<Value> = listing::fetch(api, events, &parameters(filter), list.limit).await?;
    if json {
        // One event per line, for programs that read lines.
        return page.items.iter().try_for_each(terminal::json);
    }
    listing::print(&page, false, line::HEADINGS, line::cells)
}

/// The query of a filter.
fn parameters(filter: &EventFilter) -> Vec<(&'static str, Option<&str>)> {
    vec![
        ("type", filter.event_type.as_deref()),
        ("decision", filter.decision.as_deref()),
        ("application", filter.app.as_deref()),
        ("resource", filter.resource.as_deref()),
        ("session", filter.session.as_deref()),
        ("request_id", filter.request.as_deref()),
    ]
}

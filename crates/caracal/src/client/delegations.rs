//! `caracal delegation …`.

use caracal_wire::{DelegationView, RevocationReceipt, ZoneView};

use crate::cli::DelegationCommand;
use crate::client::api::segment;
use crate::client::zone::path_of;
use crate::client::{Api, listing, revocations};
use crate::failure::Outcome;
use crate::terminal;

/// `caracal delegation …`.
pub(crate) async fn delegations(
    api: &Api,
    zone: &ZoneView,
    command: DelegationCommand,
    json: bool,
) -> Outcome<()> {
    let all = path_of(zone, "delegations");
    let one = |delegation: &str| format!("{all}/{}", segment(delegation));
    match command {
        DelegationCommand::List(args) => {
            let page = listing::fetch::<DelegationView>(api, &all, &[], args.limit).await?;
            let headings = ["ID", "FROM", "TO", "STATUS", "ENDS"];
            listing::print(&page, json, &headings, |delegation| {
                let to = delegation.to_session.as_ref();
                vec![
                    delegation.id.clone(),
                    delegation.from_session.clone(),
                    to.unwrap_or(&delegation.to_application).clone(),
                    delegation.status.clone(),
                    delegation.expires_at.to_string(),
                ]
            })
        }
        DelegationCommand::Show { delegation } => {
            let view: DelegationView = api.get(&one(&delegation)).await?;
            if json {
                return terminal::json(&view);
            }
            terminal::line(format_args!("{} {}", view.id, view.status))?;
            terminal::line(format_args!("  from   {}", view.from_session))?;
            let to = view.to_session.as_ref().unwrap_or(&view.to_application);
            terminal::line(format_args!("  to     {to}"))?;
            terminal::line(format_args!("  ends   {}", view.expires_at))?;
            for grant in &view.authority {
                let scopes = grant.scopes.join(" ");
                terminal::line(format_args!("  {}  {scopes}", grant.resource))?;
            }
            Ok(())
        }
        DelegationCommand::End { delegation } => {
            let receipt: RevocationReceipt = api.end(&one(&delegation)).await?;
            if json {
                return terminal::json(&receipt);
            }
            terminal::raw(&revocations::text(&delegation, &receipt))
        }
    }
}

//! `caracal resource`.

use caracal_wire::{ResourceView, ZoneView};

use crate::cli::ResourceCommand;
use crate::client::api::segment;
use crate::client::applications::deleted;
use crate::client::zone::path_of;
use crate::client::{Api, listing};
use crate::failure::Outcome;
use crate::table::Table;
use crate::terminal;

/// `caracal resource …`.
pub(crate) async fn resources(
    api: &Api,
    zone: &ZoneView,
    command: ResourceCommand,
    json: bool,
) -> Outcome<()> {
    let all = path_of(zone, "resources");
    let one = |key: &str| format!("{all}/{}", segment(key));
    match command {
        ResourceCommand::List(args) => {
            let page = listing::fetch::<ResourceView>(api, &all, &[], args.limit).await?;
            listing::print(
                &page,
                json,
                &["NAME", "ID", "UPSTREAM", "PROVIDER", "SCOPES"],
                |resource| {
                    let provider = resource.provider.clone().unwrap_or_default();
                    vec![
                        resource.name.clone(),
                        resource.id.clone(),
                        resource.upstream.clone(),
                        provider,
                        resource.scopes.join(", "),
                    ]
                },
            )
        }
        ResourceCommand::Show { resource } => {
            let mut view = api.get::<ResourceView>(&one(&resource)).await?;
            if json {
                return terminal::json(&view);
            }
            let operations = std::mem::take(&mut view.operations);
            listing::show(&view, false)?;
            let mut table = Table::new(&["METHOD", "PATH", "SCOPE"]);
            for operation in operations {
                table.row([operation.method, operation.path, operation.scope]);
            }
            terminal::raw(&format!("\n{}", table.text()))
        }
        ResourceCommand::Delete { resource } => {
            api.delete(&one(&resource)).await?;
            deleted("resource", &resource, json)
        }
    }
}

//! `caracal app`.

use caracal_wire::{ApplicationBody, ApplicationView, CreatedApplication, ZoneView};

use crate::cli::ApplicationCommand;
use crate::client::api::segment;
use crate::client::zone::path_of;
use crate::client::{Api, listing};
use crate::failure::Outcome;
use crate::terminal;

/// `caracal app …`.
pub(crate) async fn applications(
    api: &Api,
    zone: &ZoneView,
    command: ApplicationCommand,
    json: bool,
) -> Outcome<()> {
    let all = path_of(zone, "applications");
    let one = |key: &str| format!("{all}/{}", segment(key));
    match command {
        ApplicationCommand::List(args) => {
            let page = listing::fetch::<ApplicationView>(api, &all, &[], args.limit).await?;
            listing::print(&page, json, &["NAME", "ID", "LABELS"], |application| {
                vec![
                    application.name.clone(),
                    application.id.clone(),
                    application.labels.join(", "),
                ]
            })
        }
        ApplicationCommand::Show { application } => {
            listing::show(&api.get::<ApplicationView>(&one(&application)).await?, json)
        }
        ApplicationCommand::Create { name, labels } => {
            let created: CreatedApplication =
                api.post(&all, &ApplicationBody { name, labels }).await?;
            if json {
                return terminal::json(&created);
            }
            let view = &created.application;
            terminal::line(format_args!(
                "registered the application `{}`, its secret is shown this once:",
                view.name
            ))?;
            terminal::line(format_args!("  CARACAL_ZONE_ID={}", zone.id))?;
            terminal::line(format_args!("  CARACAL_APPLICATION_ID={}", view.id))?;
            terminal::line(format_args!(
                "  CARACAL_APP_CLIENT_SECRET={}",
                created.client_secret.as_deref().unwrap_or_default()
            ))
        }
        ApplicationCommand::Delete { application } => {
            api.delete(&one(&application)).await?;
            deleted("application", &application, json)
        }
    }
}

/// Tells that an object is gone.
pub(crate) fn deleted(noun: &str, key: &str, json: bool) -> Outcome<()> {
    if json {
        return terminal::json(&serde_json::json!({ "deleted": key }));
    }
    terminal::line(format_args!("deleted the {noun} `{key}`"))
}

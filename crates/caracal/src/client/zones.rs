//! `caracal zone`.

use caracal_wire::{KeyView, Page, ZoneBody, ZoneView};

use crate::cli::{Global, ZoneCommand};
use crate::client::zone::find_zone;
use crate::client::{Api, listing};
use crate::environment::Environment;
use crate::failure::Outcome;
use crate::terminal;

/// `caracal zone …`.
pub(crate) async fn zones(
    api: &Api,
    command: ZoneCommand,
    global: &Global,
    environment: &Environment,
) -> Outcome<()> {
    match command {
        ZoneCommand::List(args) => {
            let page = listing::fetch::<ZoneView>(api, "/v1/zones", &[], args.limit).await?;
            listing::print(
                &page,
                global.json,
                &["NAME", "ID", "POLICY", "STATE"],
                |zone| {
                    let policy = zone
                        .policy_version
                        .as_deref()
                        .map_or("none", |v| v.get(..12).unwrap_or(v));
                    let state = if zone.frozen { "frozen" } else { "active" };
                    vec![
                        zone.name.clone(),
                        zone.id.clone(),
                        policy.to_owned(),
                        state.to_owned(),
                    ]
                },
            )
        }
        ZoneCommand::Show { zone } => {
            let global = Global {
                zone: zone.or_else(|| global.zone.clone()),
                ..global.clone()
            };
            listing::show(&find_zone(api, &global, environment).await?, global.json)
        }
        ZoneCommand::Keys => {
            let zone = find_zone(api, global, environment).await?.id;
            keys(&api.get(&format!("/v1/zones/{zone}/keys")).await?, global)
        }
        ZoneCommand::RotateKey => {
            let zone = find_zone(api, global, environment).await?.id;
            let path = format!("/v1/zones/{zone}/keys");
            keys(&api.act(&path).await?, global)
        }
        ZoneCommand::DropKey { key } => {
            let zone = find_zone(api, global, environment).await?.id;
            api.delete(&format!("/v1/zones/{zone}/keys/{key}")).await?;
            keys(&api.get(&format!("/v1/zones/{zone}/keys")).await?, global)
        }
        ZoneCommand::Create { name } => {
            let zone: ZoneView = api.post("/v1/zones", &ZoneBody { name }).await?;
            if global.json {
                return terminal::json(&zone);
            }
            terminal::line(format_args!(
                "created the zone `{}`: {}",
                zone.name, zone.id
            ))
        }
    }
}

fn keys(page: &Page<KeyView>, global: &Global) -> Outcome<()> {
    listing::print(
        page,
        global.json,
        &["ID", "STATE", "CREATED", "SIGNS FROM"],
        |key| {
            vec![
                key.id.clone(),
                key.state.clone(),
                key.created_at.to_string(),
                key.signs_from.to_string(),
            ]
        },
    )
}

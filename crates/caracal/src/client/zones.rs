//! `caracal zone`.

use caracal_wire::{ApplyAnswer, ApplyRequest, KeyView, Page, RetentionBody, ZoneBody, ZoneView};

use crate::cli::{Global, ZoneCommand};
use crate::client::zone::{find_zone, path_of};
use crate::client::{Api, listing};
use crate::environment::Environment;
use crate::failure::{Failure, Outcome};
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
        ZoneCommand::Retention { days } => {
            let zone = find_zone(api, global, environment).await?;
            retention(api, zone, days.as_deref(), global).await
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

/// Shows or changes how long the events of a zone are kept.
async fn retention(
    api: &Api,
    mut zone: ZoneView,
    days: Option<&str>,
    global: &Global,
) -> Outcome<()> {
    if let Some(text) = days {
        let events_days = match text {
            "forever" => None,
            number => Some(number.parse().map_err(|_| {
                Failure::usage(format!("`{number}` is no number of days")).hint(
                    "`caracal zone retention 90` keeps events for 90 days, `forever` for ever",
                )
            })?),
        };
        let request = ApplyRequest {
            retention: Some(RetentionBody { events_days }),
            ..ApplyRequest::default()
        };
        let _: ApplyAnswer = api.post(&path_of(&zone, "apply"), &request).await?;
        zone.retention = request.retention.filter(|kept| kept.events_days.is_some());
    }
    let kept = zone.retention.and_then(|retention| retention.events_days);
    if global.json {
        return terminal::json(&serde_json::json!({
            "zone": { "id": zone.id, "name": zone.name },
            "retention": { "events_days": kept },
        }));
    }
    match kept {
        Some(days) => terminal::line(format_args!(
            "the events of `{}` are kept for {days} days",
            zone.name
        )),
        None => terminal::line(format_args!(
            "the events of `{}` are kept for ever",
            zone.name
        )),
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

//! `caracal sink`.

use std::path::Path;

use caracal_wire::{DeliveryView, SecretSource, SinkBody, SinkView, ZoneView};

use crate::cli::SinkCommand;
use crate::client::api::segment;
use crate::client::applications::deleted;
use crate::client::providers::secret_of_input;
use crate::client::yaml::read_secret;
use crate::client::zone::path_of;
use crate::client::{Api, listing};
use crate::environment::Environment;
use crate::failure::{Failure, Outcome};
use crate::table::plain;
use crate::terminal;

/// `caracal sink …`.
pub(crate) async fn sinks(
    api: &Api,
    zone: &ZoneView,
    command: SinkCommand,
    environment: &Environment,
    json: bool,
) -> Outcome<()> {
    let all = path_of(zone, "sinks");
    let one = |key: &str| format!("{all}/{}", segment(key));
    match command {
        SinkCommand::List(args) => {
            let page = listing::fetch::<SinkView>(api, &all, &[], args.limit).await?;
            let headings = ["NAME", "ID", "KIND", "EVENTS", "URL"];
            listing::print(&page, json, &headings, |sink| {
                vec![
                    sink.name.clone(),
                    sink.id.clone(),
                    sink.kind.clone(),
                    sink.events.join(" "),
                    sink.url.clone().unwrap_or_default(),
                ]
            })
        }
        SinkCommand::Show { sink } => listing::show(&api.get::<SinkView>(&one(&sink)).await?, json),
        SinkCommand::Test { sink } => {
            let path = format!("{}/test", one(&sink));
            let told: DeliveryView = api.act(&path).await?;
            if json {
                terminal::json(&told)?;
            }
            let why = told.why.as_deref().unwrap_or("it was not sent");
            if told.status != "delivered" {
                return Err(Failure::new(format!(
                    "`{sink}` took no message: {}",
                    plain(why)
                )));
            }
            if json {
                return Ok(());
            }
            terminal::line(format_args!("`{}` has taken a message", told.sink_name))
        }
        SinkCommand::Deliveries(args) => {
            let path = path_of(zone, "deliveries");
            let page = listing::fetch::<DeliveryView>(api, &path, &[], args.limit).await?;
            let headings = ["AT", "SINK", "EVENT", "APPROVAL", "STATE", "TRIES", "WHY"];
            listing::print(&page, json, &headings, |told| {
                vec![
                    told.at.to_string(),
                    told.sink_name.clone(),
                    told.event.clone(),
                    told.approval.clone().unwrap_or_default(),
                    told.status.clone(),
                    told.attempts.to_string(),
                    told.why.clone().unwrap_or_default(),
                ]
            })
        }
        SinkCommand::RotateSecret {
            sink,
            from_env,
            from_file,
        } => {
            let source = match (from_env, from_file) {
                (Some(name), _) => Some(SecretSource::FromEnv(name)),
                (None, Some(path)) => Some(SecretSource::FromFile(path.display().to_string())),
                (None, None) => None,
            };
            let secret = match source {
                Some(source) => read_secret(&source, Path::new(""), environment)?,
                None => secret_of_input()?,
            };
            let held: SinkView = api.get(&one(&sink)).await?;
            let version = held.version;
            let body = SinkBody {
                secret: Some(secret),
                ..held.into()
            };
            let view: SinkView = api.put(&one(&sink), version, &body).await?;
            if json {
                return terminal::json(&view);
            }
            match view.older_secret_until {
                Some(until) => terminal::line(format_args!(
                    "the secret of `{}` is another one; the one before signs beside it until {until}",
                    view.name
                )),
                None => terminal::line(format_args!("the secret of `{}` is this one", view.name)),
            }
        }
        SinkCommand::Delete { sink } => {
            api.delete(&one(&sink)).await?;
            deleted("sink", &sink, json)
        }
    }
}

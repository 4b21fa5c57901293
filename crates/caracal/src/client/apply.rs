//! `caracal apply` and `caracal diff`.

use caracal_wire::{ApplyAnswer, ApplyRequest};

use crate::cli::{ApplyArgs, DiffArgs};
use crate::client::Api;
use crate::client::yaml::{Source, merge};
use crate::environment::Environment;
use crate::failure::Outcome;
use crate::terminal;

/// `caracal apply`.
pub(crate) async fn apply(
    api: &Api,
    args: &ApplyArgs,
    environment: &Environment,
    json: bool,
) -> Outcome<()> {
    run(
        api,
        &args.files,
        args.prune,
        args.dry_run,
        environment,
        json,
    )
    .await
}

/// `caracal diff`.
pub(crate) async fn diff(
    api: &Api,
    args: &DiffArgs,
    environment: &Environment,
    json: bool,
) -> Outcome<()> {
    run(api, &args.files, args.prune, true, environment, json).await
}

async fn run(
    api: &Api,
    files: &[String],
    prune: bool,
    dry_run: bool,
    environment: &Environment,
    json: bool,
) -> Outcome<()> {
    // Every file is read before anything is sent.
    let mut requests = Vec::new();
    for file in files {
        requests.push(Source::read(file)?.into_request(prune, environment)?);
    }
    for request in merge(requests) {
        let answer = send(api, &request, dry_run).await?;
        if json {
            terminal::json(&answer)?;
        } else {
            terminal::raw(&text(&answer, dry_run))?;
        }
    }
    Ok(())
}

/// Applies one request.
pub(crate) async fn send(api: &Api, request: &ApplyRequest, dry_run: bool) -> Outcome<ApplyAnswer> {
    let path = if dry_run {
        "/v1/apply?dry_run=true"
    } else {
        "/v1/apply"
    };
    api.post(path, request).await
}

fn text(answer: &ApplyAnswer, dry_run: bool) -> String {
    let mut text = String::new();
    for change in &answer.changed {
        let sign = match change.action.as_str() {
            "create" => "+",
            "delete" => "-",
            "activate" => ">",
            _ => "~",
        };
        text.push_str(&format!(
            "{sign} {} {} {}\n",
            change.action, change.noun, change.name
        ));
    }
    let zone = &answer.zone;
    let done = match (answer.changes, dry_run) {
        (0, _) => format!("zone `{}` ({}) is so already\n", zone.name, zone.id),
        (1, true) => format!("zone `{}` would get 1 change\n", zone.name),
        (n, true) => format!("zone `{}` would get {n} changes\n", zone.name),
        (1, false) => format!("zone `{}` ({}) got 1 change\n", zone.name, zone.id),
        (n, false) => format!("zone `{}` ({}) got {n} changes\n", zone.name, zone.id),
    };
    text.push_str(&done);
    for application in &answer.applications {
        if let Some(secret) = &application.client_secret {
            text.push_str(&format!(
                "\napplication `{}`, shown this once:\n  CARACAL_ZONE_ID={}\n  CARACAL_APPLICATION_ID={}\n  \
                 CARACAL_APP_CLIENT_SECRET={secret}\n",
                application.name, zone.id, application.id
            ));
        }
    }
    text
}

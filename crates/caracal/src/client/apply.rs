//! `caracal apply` and `caracal diff`.

use caracal_wire::{ApplyAnswer, ApplyRequest};

use crate::cli::{ApplyArgs, DiffArgs};
use crate::client::merge::merge;
use crate::client::yaml::Source;
use crate::client::{Api, changes};
use crate::environment::Environment;
use crate::failure::{Failure, Outcome};
use crate::terminal;

/// `caracal apply`.
pub(crate) async fn apply(
    api: &Api,
    args: &ApplyArgs,
    environment: &Environment,
    json: bool,
) -> Outcome<()> {
    let wanted = Wanted {
        files: &args.files,
        prune: args.prune,
        base: args.base.as_ref(),
        dry_run: args.dry_run,
    };
    run(api, wanted, environment, json).await
}

/// `caracal diff`.
pub(crate) async fn diff(
    api: &Api,
    args: &DiffArgs,
    environment: &Environment,
    json: bool,
) -> Outcome<()> {
    let wanted = Wanted {
        files: &args.files,
        prune: args.prune,
        base: None,
        dry_run: true,
    };
    run(api, wanted, environment, json).await
}

/// What `apply` and `diff` share.
struct Wanted<'a> {
    files: &'a [String],
    prune: bool,
    base: Option<&'a String>,
    dry_run: bool,
}

async fn run(api: &Api, wanted: Wanted<'_>, environment: &Environment, json: bool) -> Outcome<()> {
    if wanted.files.iter().filter(|file| *file == "-").count() > 1 {
        return Err(Failure::usage("standard input (`-`) can be read only once"));
    }
    // Every file is read before anything is sent.
    let mut requests = Vec::new();
    for file in wanted.files {
        let source = Source::read(file)?;
        let name = source.name().to_owned();
        requests.push((name, source.into_request(wanted.prune, environment)?));
    }
    let requests = requests
        .iter()
        .map(|(name, request)| (name.as_str(), request.clone()));
    let mut requests = merge(requests.collect())?;
    if wanted.base.is_some() && requests.len() > 1 {
        return Err(
            Failure::usage("a base is that of one zone, and the files name several")
                .hint("apply the files of each zone on their own"),
        );
    }
    for request in &mut requests {
        request.base = wanted.base.cloned();
    }
    if requests.len() > 1 && !wanted.dry_run {
        // A mistake in one zone's files is found before another zone is changed.
        for request in &requests {
            send(api, request, true).await?;
        }
    }
    for request in requests {
        let answer = send(api, &request, wanted.dry_run).await?;
        if json {
            terminal::json(&answer)?;
        } else {
            terminal::raw(&text(&answer, wanted.dry_run))?;
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
        text.push_str(&changes::text(change, dry_run));
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
    if dry_run && answer.changes > 0 {
        text.push_str(&format!(
            "apply it on exactly this with `--base {}`\n",
            answer.base
        ));
    }
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

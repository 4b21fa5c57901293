//! `caracal session …`.

use caracal_wire::{
    BlastRadiusView, BudgetBody, GrantBody, SessionAuthorityView, SessionBody, SessionView,
    ZoneView,
};

use crate::cli::{OpenSessionArgs, SessionCommand};
use crate::client::api::segment;
use crate::client::zone::path_of;
use crate::client::{Api, listing};
use crate::failure::Outcome;
use crate::terminal;

/// `caracal session …`.
pub(crate) async fn sessions(
    api: &Api,
    zone: &ZoneView,
    command: SessionCommand,
    json: bool,
) -> Outcome<()> {
    let all = path_of(zone, "sessions");
    let one = |session: &str| format!("{all}/{}", segment(session));
    match command {
        SessionCommand::List(args) => {
            let wanted = [
                ("application", args.app.as_deref()),
                ("status", args.status.as_deref()),
                ("subject", args.subject.as_deref()),
                ("parent", args.parent.as_deref()),
            ];
            let limit = args.list.limit;
            let page = listing::fetch::<SessionView>(api, &all, &wanted, limit).await?;
            let headings = ["ID", "APPLICATION", "PARENT", "STATUS", "ENDS", "LABELS"];
            listing::print(&page, json, &headings, |session| {
                let labels: Vec<_> = session.labels.iter().cloned().collect();
                vec![
                    session.id.clone(),
                    session.application.clone(),
                    session.parent_id.clone().unwrap_or_default(),
                    session.status.clone(),
                    session.expires_at.to_string(),
                    labels.join(" "),
                ]
            })
        }
        SessionCommand::Show { session } => {
            show(&api.get::<SessionView>(&one(&session)).await?, json)
        }
        SessionCommand::Open(args) => open(api, zone, args, json).await,
        SessionCommand::Suspend { session } => {
            let path = format!("{}/suspend", one(&session));
            show(&api.act::<SessionView>(&path).await?, json)
        }
        SessionCommand::Resume { session } => {
            let path = format!("{}/resume", one(&session));
            show(&api.act::<SessionView>(&path).await?, json)
        }
        SessionCommand::Close { session } => {
            api.delete(&one(&session)).await?;
            if json {
                return terminal::json(&serde_json::json!({ "closed": session }));
            }
            terminal::line(format_args!("`{session}` is closed, with all below it"))
        }
        SessionCommand::Authority { session } => {
            let path = format!("{}/authority", one(&session));
            authority(&api.get(&path).await?, json)
        }
        SessionCommand::Radius { session } => {
            let path = format!("{}/blast-radius", one(&session));
            let radius: BlastRadiusView = api.get(&path).await?;
            if json {
                return terminal::json(&radius);
            }
            for id in radius.sessions.iter().chain(&radius.delegations) {
                terminal::line(format_args!("{id}"))?;
            }
            Ok(())
        }
    }
}

async fn open(api: &Api, zone: &ZoneView, args: OpenSessionArgs, json: bool) -> Outcome<()> {
    let body = SessionBody {
        labels: args.labels.into_iter().collect(),
        ttl_seconds: args.ttl,
        parent_id: args.parent,
        budget: args.calls.map(|calls| BudgetBody { calls }),
        ..SessionBody::default()
    };
    let path = path_of(
        zone,
        &format!("applications/{}/sessions", segment(&args.app)),
    );
    let session: SessionView = api.post(&path, &body).await?;
    show(&session, json)
}

fn show(session: &SessionView, json: bool) -> Outcome<()> {
    if json {
        return terminal::json(session);
    }
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let by = session.suspended_by.as_ref();
    let by = by.map_or_else(String::new, |by| format!(" by {by}"));
    terminal::line(format_args!("{} {}{by}", session.id, session.status))?;
    terminal::line(format_args!("  application  {}", session.application))?;
    terminal::line(format_args!("  parent       {}", text(&session.parent_id)))?;
    terminal::line(format_args!("  Subject      {}", text(&session.subject)))?;
    terminal::line(format_args!("  opened by    {}", text(&session.operator)))?;
    terminal::line(format_args!("  ends         {}", session.expires_at))?;
    terminal::line(format_args!("  generation   {}", session.generation))?;
    match &session.authority {
        Some(authority) => grants(authority)?,
        None => terminal::line(format_args!("  not narrowed"))?,
    }
    if let Some(mandate) = &session.session_mandate {
        terminal::line(format_args!("  mandate      {mandate}"))?;
    }
    Ok(())
}

fn grants(authority: &[GrantBody]) -> Outcome<()> {
    for grant in authority {
        let scopes = grant.scopes.join(" ");
        terminal::line(format_args!("  {}  {scopes}", grant.resource))?;
    }
    Ok(())
}

fn authority(authority: &SessionAuthorityView, json: bool) -> Outcome<()> {
    if json {
        return terminal::json(authority);
    }
    if authority.paths.is_empty() {
        terminal::note("none of its paths can be used");
    }
    for path in &authority.paths {
        match &path.delegation {
            Some(delegation) => terminal::line(format_args!("by {delegation}"))?,
            None => terminal::line(format_args!("by its own root"))?,
        }
        grants(&path.authority)?;
    }
    Ok(())
}

//! `caracal issuer`.

use caracal_wire::{IssuerBody, IssuerView, SubjectBody, SubjectView, ZoneView};

use crate::cli::{IssuerCommand, NewIssuer};
use crate::client::api::segment;
use crate::client::applications::{deleted, read_jwks};
use crate::client::zone::path_of;
use crate::client::{Api, listing};
use crate::failure::Outcome;
use crate::terminal;

/// `caracal issuer …`.
pub(crate) async fn issuers(
    api: &Api,
    zone: &ZoneView,
    command: IssuerCommand,
    json: bool,
) -> Outcome<()> {
    let all = path_of(zone, "issuers");
    let one = |key: &str| format!("{all}/{}", segment(key));
    match command {
        IssuerCommand::List(args) => {
            let page = listing::fetch::<IssuerView>(api, &all, &[], args.limit).await?;
            let headings = ["NAME", "ID", "ISSUER", "PROVES", "AUDIENCES"];
            listing::print(&page, json, &headings, |view| {
                let issuer = &view.issuer;
                vec![
                    issuer.name.clone(),
                    view.id.clone(),
                    issuer.issuer.clone(),
                    issuer.proves.join(", "),
                    issuer.audiences.join(", "),
                ]
            })
        }
        IssuerCommand::Show { issuer } => {
            listing::show(&api.get::<IssuerView>(&one(&issuer)).await?, json)
        }
        IssuerCommand::Create(new) => {
            let body = body(*new)?;
            let view: IssuerView = api.post(&all, &body).await?;
            if json {
                return terminal::json(&view);
            }
            let (name, proves) = (&body.name, body.proves.join(" and "));
            terminal::line(format_args!(
                "registered the issuer `{name}`: its tokens prove {proves}"
            ))
        }
        IssuerCommand::Subject { issuer, sub } => {
            let path = format!("{}/subject", one(&issuer));
            let view: SubjectView = api.post(&path, &SubjectBody { sub }).await?;
            if json {
                return terminal::json(&view);
            }
            terminal::line(view.id)
        }
        IssuerCommand::Delete { issuer } => {
            api.delete(&one(&issuer)).await?;
            deleted("issuer", &issuer, json)
        }
    }
}

fn body(new: NewIssuer) -> Outcome<IssuerBody> {
    Ok(IssuerBody {
        name: new.name,
        issuer: new.issuer,
        jwks_uri: new.jwks_uri,
        jwks: new.jwks.as_deref().map(read_jwks).transpose()?,
        algorithms: new.algorithms,
        audiences: new.audiences,
        proves: new.proves,
        max_age_seconds: new.max_age,
        single_use: new.single_use,
        allow_private: new.allow_private,
    })
}

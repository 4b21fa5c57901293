//! `caracal app`.

use caracal_wire::{
    ApplicationBody, ApplicationView, ClientAuthBody, ClientKeysBody, ClientSecretView,
    CreatedApplication, Page, RotateSecretBody, RotatedSecret, ZoneView,
};

use crate::cli::{ApplicationAuth, ApplicationCommand};
use crate::client::api::segment;
use crate::client::zone::path_of;
use crate::client::{Api, listing};
use crate::failure::{Context, Failure, Outcome};
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
        ApplicationCommand::Create { name, labels, auth } => {
            let auth = auth.body()?;
            let body = ApplicationBody { name, labels, auth };
            let created: CreatedApplication = api.post(&all, &body).await?;
            if json {
                return terminal::json(&created);
            }
            let view = &created.application;
            let then = match &created.client_secret {
                Some(_) => ", its secret is shown this once:",
                None => "; it has no secret:",
            };
            terminal::line(format_args!(
                "registered the application `{}`{then}",
                view.name
            ))?;
            terminal::line(format_args!("  CARACAL_ZONE_ID={}", zone.id))?;
            terminal::line(format_args!("  CARACAL_APPLICATION_ID={}", view.id))?;
            match &created.client_secret {
                Some(secret) => {
                    terminal::line(format_args!("  CARACAL_APP_CLIENT_SECRET={secret}"))
                }
                None => Ok(()),
            }
        }
        ApplicationCommand::Secrets { application } => {
            let path = format!("{}/secrets", one(&application));
            let page: Page<ClientSecretView> = api.get(&path).await?;
            let headings = ["ID", "CREATED", "EXPIRES", "LAST USED"];
            listing::print(&page, json, &headings, |secret| {
                let time = |time: Option<jiff::Timestamp>, else_: &str| {
                    time.map_or_else(|| else_.to_owned(), |time| time.to_string())
                };
                vec![
                    secret.id.clone(),
                    secret.created_at.to_string(),
                    time(secret.expires_at, "never"),
                    time(secret.last_used_at, "not seen"),
                ]
            })
        }
        ApplicationCommand::RotateSecret {
            application,
            overlap,
            revoke_old,
        } => {
            let path = format!("{}/secrets", one(&application));
            let body = RotateSecretBody {
                overlap_seconds: overlap,
                revoke_old,
            };
            let rotated: RotatedSecret = api.post(&path, &body).await?;
            if json {
                return terminal::json(&rotated);
            }
            print_rotated(zone, &application, &rotated)
        }
        ApplicationCommand::EndSecret {
            application,
            secret,
        } => {
            let path = format!("{}/secrets/{}", one(&application), segment(&secret));
            api.delete(&path).await?;
            deleted("client secret", &secret, json)
        }
        ApplicationCommand::Delete { application } => {
            api.delete(&one(&application)).await?;
            deleted("application", &application, json)
        }
    }
}

impl ApplicationAuth {
    /// How the application proves to be itself; none: by a client secret.
    fn body(self) -> Outcome<Option<ClientAuthBody>> {
        let mut claims = std::collections::BTreeMap::new();
        for text in self.claims {
            let (name, value) = text
                .split_once('=')
                .ok_or_else(|| Failure::usage(format!("`{text}` is no claim: use `NAME=VALUE`")))?;
            claims.insert(name.to_owned(), value.to_owned());
        }
        if self.issuer.is_some() {
            return Ok(Some(ClientAuthBody {
                private_key_jwt: None,
                issuer: self.issuer,
                subject: self.subject,
                claims,
            }));
        }
        let jwks = self.jwks.as_deref().map(read_jwks).transpose()?;
        if jwks.is_none() && self.jwks_uri.is_none() {
            return Ok(None);
        }
        Ok(Some(ClientAuthBody {
            private_key_jwt: Some(ClientKeysBody {
                jwks,
                jwks_uri: self.jwks_uri,
                allow_private: false,
            }),
            ..ClientAuthBody::default()
        }))
    }
}

/// The JWK set in a file.
pub(crate) fn read_jwks(path: &std::path::Path) -> Outcome<serde_json::Value> {
    let shown = format!("`{}`", path.display());
    let text = std::fs::read_to_string(path).context(shown.clone())?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("{shown} is no JWK set: {error}")))
}

fn print_rotated(zone: &ZoneView, application: &str, rotated: &RotatedSecret) -> Outcome<()> {
    terminal::line(format_args!(
        "the application `{application}` has a new secret, shown this once:"
    ))?;
    terminal::line(format_args!("  CARACAL_ZONE_ID={}", zone.id))?;
    terminal::line(format_args!(
        "  CARACAL_APPLICATION_ID={}",
        rotated.application
    ))?;
    terminal::line(format_args!(
        "  CARACAL_APP_CLIENT_SECRET={}",
        rotated.client_secret.as_deref().unwrap_or_default()
    ))?;
    if rotated.older.is_empty() {
        return terminal::line("the old secret is not accepted any more");
    }
    for old in &rotated.older {
        if let Some(end) = old.expires_at {
            let id = &old.id;
            terminal::line(format_args!(
                "the old secret `{id}` is accepted until {end}"
            ))?;
        }
    }
    Ok(())
}

/// Tells that an object is gone.
pub(crate) fn deleted(noun: &str, key: &str, json: bool) -> Outcome<()> {
    if json {
        return terminal::json(&serde_json::json!({ "deleted": key }));
    }
    terminal::line(format_args!("deleted the {noun} `{key}`"))
}

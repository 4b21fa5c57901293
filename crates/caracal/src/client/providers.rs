//! `caracal provider`.

use std::path::Path;

use caracal_wire::{ProviderBody, ProviderView, SecretSource, SecretValue, ZoneView};

use crate::cli::ProviderCommand;
use crate::client::api::segment;
use crate::client::applications::deleted;
use crate::client::yaml::read_secret;
use crate::client::zone::path_of;
use crate::client::{Api, listing};
use crate::environment::Environment;
use crate::failure::{Context, Failure, Outcome};
use crate::terminal;

/// `caracal provider …`.
pub(crate) async fn providers(
    api: &Api,
    zone: &ZoneView,
    command: ProviderCommand,
    environment: &Environment,
    json: bool,
) -> Outcome<()> {
    let all = path_of(zone, "providers");
    let one = |key: &str| format!("{all}/{}", segment(key));
    match command {
        ProviderCommand::List(args) => {
            let page = listing::fetch::<ProviderView>(api, &all, &[], args.limit).await?;
            listing::print(
                &page,
                json,
                &["NAME", "ID", "KIND", "SECRET", "ALLOWED HOSTS"],
                |provider| {
                    let secret = if provider.has_secret {
                        "stored"
                    } else {
                        "none"
                    };
                    vec![
                        provider.name.clone(),
                        provider.id.clone(),
                        provider.kind.clone(),
                        secret.to_owned(),
                        provider.allowed_hosts.join(", "),
                    ]
                },
            )
        }
        ProviderCommand::Show { provider } => {
            listing::show(&api.get::<ProviderView>(&one(&provider)).await?, json)
        }
        ProviderCommand::RotateSecret {
            provider,
            from_env,
            from_file,
        } => {
            let secret = match (from_env, from_file) {
                (Some(name), _) => {
                    read_secret(&SecretSource::FromEnv(name), Path::new(""), environment)?
                }
                (None, Some(path)) => {
                    let path = SecretSource::FromFile(path.display().to_string());
                    read_secret(&path, Path::new(""), environment)?
                }
                (None, None) => secret_of_input()?,
            };
            let held: ProviderView = api.get(&one(&provider)).await?;
            let version = held.version;
            let body = ProviderBody {
                secret: Some(secret),
                ..held.into()
            };
            let view: ProviderView = api.put(&one(&provider), version, &body).await?;
            if json {
                return terminal::json(&view);
            }
            let name = &view.name;
            if view.version == version {
                return terminal::line(format_args!("`{name}` has this secret already"));
            }
            terminal::line(format_args!(
                "the secret of `{name}` is another one; the next call carries it"
            ))
        }
        ProviderCommand::Delete { provider } => {
            api.delete(&one(&provider)).await?;
            deleted("provider", &provider, json)
        }
    }
}

pub(crate) fn secret_of_input() -> Outcome<SecretValue> {
    if terminal::can_ask() {
        return terminal::ask_secret("the new secret:").map(SecretValue::new);
    }
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::stdin(), &mut text)
        .context("standard input cannot be read")?;
    let text = SecretValue::new(text);
    let secret = text.expose();
    let secret = secret.strip_suffix('\n').unwrap_or(secret);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        return Err(Failure::usage("standard input holds no secret")
            .hint("pipe it in, or use `--from-env` or `--from-file`"));
    }
    Ok(SecretValue::new(secret))
}

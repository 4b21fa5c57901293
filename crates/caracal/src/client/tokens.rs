//! `caracal token`.

use caracal_wire::{CreatedToken, TokenBody, TokenView};

use crate::cli::{Global, TokenCommand};
use crate::client::api::segment;
use crate::client::applications::deleted;
use crate::client::zone::{find_zone, path_of};
use crate::client::{Api, listing};
use crate::environment::Environment;
use crate::failure::Outcome;
use crate::terminal;

/// `caracal token …`.
pub(crate) async fn tokens(
    api: &Api,
    command: TokenCommand,
    global: &Global,
    environment: &Environment,
) -> Outcome<()> {
    let all_zones = match &command {
        TokenCommand::List { all_zones, .. }
        | TokenCommand::Create { all_zones, .. }
        | TokenCommand::Delete { all_zones, .. } => *all_zones,
    };
    let all = if all_zones {
        "/v1/tokens".to_owned()
    } else {
        path_of(&find_zone(api, global, environment).await?, "tokens")
    };
    match command {
        TokenCommand::List { list, .. } => {
            let page = listing::fetch::<TokenView>(api, &all, &[], list.limit).await?;
            listing::print(
                &page,
                global.json,
                &["NAME", "ID", "ROLE", "ZONE", "EXPIRES"],
                |token| {
                    let zone = token.zone.clone().unwrap_or_else(|| "all".to_owned());
                    vec![
                        token.name.clone(),
                        token.id.clone(),
                        token.role.clone(),
                        zone,
                        token.expires_at.to_string(),
                    ]
                },
            )
        }
        TokenCommand::Create {
            name,
            role,
            ttl_seconds,
            ..
        } => {
            let created: CreatedToken = api
                .post(
                    &all,
                    &TokenBody {
                        name,
                        role,
                        ttl_seconds,
                    },
                )
                .await?;
            if global.json {
                return terminal::json(&created);
            }
            let view = &created.view;
            terminal::note(format_args!(
                "created the token `{}` ({}), good until {}; it is shown this once:",
                view.name, view.role, view.expires_at
            ));
            terminal::line(&created.token)
        }
        TokenCommand::Delete { token, .. } => {
            api.delete(&format!("{all}/{}", segment(&token))).await?;
            deleted("token", &token, global.json)
        }
    }
}

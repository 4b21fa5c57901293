//! `caracal provider`.

use caracal_wire::{ProviderView, ZoneView};

use crate::cli::ProviderCommand;
use crate::client::api::segment;
use crate::client::applications::deleted;
use crate::client::zone::path_of;
use crate::client::{Api, listing};
use crate::failure::Outcome;

/// `caracal provider …`.
pub(crate) async fn providers(
    api: &Api,
    zone: &ZoneView,
    command: ProviderCommand,
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
        ProviderCommand::Delete { provider } => {
            api.delete(&one(&provider)).await?;
            deleted("provider", &provider, json)
        }
    }
}

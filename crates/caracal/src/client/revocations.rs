//! `caracal revoke`, `revocation`, `freeze` and `thaw`.

use caracal_wire::{
    ApplicationView, FreezeBody, ProviderView, ResourceView, RevocationBody, RevocationReceipt,
    RevocationView, ZoneView,
};

use crate::cli::RevocationCommand;
use crate::client::api::segment;
use crate::client::zone::path_of;
use crate::client::{Api, listing};
use crate::failure::{Failure, Outcome};
use crate::terminal;

/// `caracal revoke`.
pub(crate) async fn revoke(
    api: &Api,
    zone: &ZoneView,
    anchor: &str,
    reason: Option<String>,
    json: bool,
) -> Outcome<()> {
    let anchor = resolve(api, zone, anchor).await?;
    let receipt: RevocationReceipt = api
        .post(
            &path_of(zone, "revocations"),
            &RevocationBody {
                anchor: anchor.clone(),
                reason,
            },
        )
        .await?;
    if json {
        terminal::json(&receipt)
    } else {
        terminal::raw(&text(&anchor, &receipt))
    }
}

/// `caracal revocation …`.
pub(crate) async fn revocations(
    api: &Api,
    zone: &ZoneView,
    command: RevocationCommand,
    json: bool,
) -> Outcome<()> {
    let all = path_of(zone, "revocations");
    match command {
        RevocationCommand::List(args) => {
            let page = listing::fetch::<RevocationView>(api, &all, &[], args.limit).await?;
            listing::print(
                &page,
                json,
                &["ID", "ENDS", "SINCE", "STATE", "REASON"],
                |revocation| {
                    let state = match (&revocation.lifted_at, revocation.is_final) {
                        (Some(at), _) => format!("lifted {at}"),
                        (None, true) => "final".to_owned(),
                        (None, false) => "in force".to_owned(),
                    };
                    let reason = revocation.reason.clone().unwrap_or_default();
                    vec![
                        revocation.id.clone(),
                        revocation.anchor.clone(),
                        revocation.created_at.to_string(),
                        state,
                        reason,
                    ]
                },
            )
        }
        RevocationCommand::Lift { revocation } => {
            let path = format!("{all}/{}/lift", segment(&revocation));
            let lifted: RevocationView = api.act(&path).await?;
            if json {
                return terminal::json(&lifted);
            }
            terminal::line(format_args!(
                "`{}` may get new authority; what was issued before stays dead",
                lifted.anchor
            ))
        }
    }
}

/// `caracal freeze`.
pub(crate) async fn freeze(
    api: &Api,
    zone: &ZoneView,
    reason: Option<String>,
    json: bool,
) -> Outcome<()> {
    let receipt: RevocationReceipt = api
        .post(&path_of(zone, "freeze"), &FreezeBody { reason })
        .await?;
    if json {
        terminal::json(&receipt)
    } else {
        terminal::raw(&text(&zone.id, &receipt))
    }
}

/// `caracal thaw`.
pub(crate) async fn thaw(api: &Api, zone: &ZoneView, json: bool) -> Outcome<()> {
    let answer: serde_json::Value = api.act(&path_of(zone, "thaw")).await?;
    if json {
        return terminal::json(&answer);
    }
    terminal::line(format_args!(
        "the zone `{}` works again; what was issued before the freeze stays dead",
        zone.name
    ))
}

/// The id that an anchor means; names are looked up.
async fn resolve(api: &Api, zone: &ZoneView, anchor: &str) -> Outcome<String> {
    let Some((noun, name)) = anchor.split_once('/') else {
        return Ok(anchor.to_owned());
    };
    let one = |all: &str| path_of(zone, &format!("{all}/{}", segment(name)));
    match noun {
        "app" | "application" => api
            .get::<ApplicationView>(&one("applications"))
            .await
            .map(|a| a.id),
        "resource" => api
            .get::<ResourceView>(&one("resources"))
            .await
            .map(|r| r.id),
        "provider" => api
            .get::<ProviderView>(&one("providers"))
            .await
            .map(|p| p.id),
        _ => Err(Failure::usage(format!("`{anchor}` is no anchor"))
            .hint("use an id, or `app/NAME`, `resource/NAME`, `provider/NAME`")),
    }
}

/// The receipt in words.
pub(crate) fn text(anchor: &str, receipt: &RevocationReceipt) -> String {
    let revoked: Vec<_> = receipt
        .revoked
        .iter()
        .map(|(noun, n)| format!("{n} {noun}"))
        .collect();
    let mut text = format!(
        "revoked `{anchor}`: {} ({})\n",
        revoked.join(", "),
        receipt.id
    );
    for node in &receipt.confirmed_by {
        text.push_str(&format!(
            "  confirmed by `{}` after {} ms\n",
            node.node, node.elapsed_ms
        ));
    }
    for node in &receipt.expired_leases {
        text.push_str(&format!(
            "  `{node}` did not answer; its lease ran out, so it denies by itself\n"
        ));
    }
    text.push_str(&format!(
        "  {} running calls cut, all done after {} ms, in force from revision {} on\n",
        receipt.streams_cut, receipt.elapsed_ms, receipt.revision
    ));
    text
}

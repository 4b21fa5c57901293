//! `caracal key`.

use caracal_wire::MasterKeyView;

use crate::cli::KeyCommand;
use crate::client::Api;
use crate::failure::Outcome;
use crate::terminal;

const PATH: &str = "/v1/master-key";

/// `caracal key …`.
pub(crate) async fn master_key(api: &Api, command: KeyCommand, json: bool) -> Outcome<()> {
    let view: MasterKeyView = match command {
        KeyCommand::Status => api.get(PATH).await?,
        KeyCommand::RotateMaster => api.act(PATH).await?,
    };
    if json {
        return terminal::json(&view);
    }
    terminal::raw(&text(&view))
}

fn text(view: &MasterKeyView) -> String {
    let since = view
        .since
        .map_or_else(String::new, |since| format!(", since {since}"));
    let mut text = format!(
        "master key {} from {}{since}\n{} secrets are sealed under it",
        view.id,
        view.place,
        view.sealed.saturating_sub(view.pending)
    );
    if view.pending > 0 {
        text.push_str(&format!(", {} wait to be sealed again:", view.pending));
    }
    text.push('\n');
    for zone in &view.zones {
        text.push_str(&format!("  {} in the zone `{}`\n", zone.pending, zone.name));
    }
    for what in &view.damaged {
        text.push_str(&format!(
            "{what} cannot be opened: give the provider's secret again, or delete the provider\n"
        ));
    }
    for key in &view.older {
        let state = if key.removable {
            "nothing is sealed under it: take it away, and keep it for as long as you keep backups from before"
        } else if key.sealed == 0 {
            "nothing is sealed under it; wait until this is recorded"
        } else {
            "still needed"
        };
        text.push_str(&format!("older key {}: {state}\n", key.id));
    }
    text
}

#[cfg(test)]
mod tests {
    use caracal_wire::{OlderMasterKey, PendingZone};

    use super::*;

    #[test]
    fn it_says_what_is_needed_and_what_can_go() {
        let mut view = MasterKeyView {
            id: "aa".to_owned(),
            place: "`master.key`".to_owned(),
            can_rotate: true,
            since: None,
            sealed: 12,
            pending: 5,
            zones: vec![PendingZone {
                name: "acme".to_owned(),
                pending: 5,
            }],
            damaged: vec!["the credential of the provider `acme/openai`".to_owned()],
            older: vec![OlderMasterKey {
                id: "bb".to_owned(),
                sealed: 5,
                removable: false,
            }],
            settled_at: None,
        };
        let said = text(&view);
        assert!(
            said.contains("7 secrets") && said.contains("5 in the zone `acme`"),
            "{said}"
        );
        assert!(said.contains("`acme/openai` cannot be opened"), "{said}");
        assert!(said.contains("older key bb: still needed"), "{said}");
        view.pending = 0;
        view.older[0].sealed = 0;
        assert!(!text(&view).contains("take it away"));
        view.older[0].removable = true;
        assert!(text(&view).contains("older key bb: nothing is sealed under it: take it away"));
    }
}

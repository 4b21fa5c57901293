//! Untrusted or mistyped texts that only the binary reads: files and settings.

use super::checkpoints::notes::Notes;
use super::listen::ListenSpec;
use super::settings::SettingsLayer;
use crate::client::parse_zone_file;

fn text(data: &[u8], read: impl Fn(&str)) {
    if let Ok(text) = std::str::from_utf8(data) {
        read(text);
    }
}

fn zone_file(data: &[u8]) {
    text(data, |text| drop(parse_zone_file(text, "input")));
}

fn settings(data: &[u8]) {
    text(data, |text| drop(toml::from_str::<SettingsLayer>(text)));
}

fn listen(data: &[u8]) {
    text(data, |text| drop(text.parse::<ListenSpec>()));
}

fn notes(data: &[u8]) {
    text(data, |text| {
        // What is kept is kept when it is read again.
        let kept = Notes::read(text).text();
        assert_eq!(Notes::read(&kept).text(), kept);
    });
}

#[path = "../../../../fuzz/replay.rs"]
mod replay;

mod tests {
    use super::replay::{Target, replay};

    #[test]
    fn the_corpus_and_changed_copies_of_it_break_nothing() {
        replay(&[
            Target {
                name: "caracal_zone_file",
                body: super::zone_file,
                copies: 1500,
            },
            Target {
                name: "caracal_settings",
                body: super::settings,
                copies: 1500,
            },
            Target {
                name: "caracal_listen",
                body: super::listen,
                copies: 3000,
            },
            Target {
                name: "caracal_export",
                body: crate::client::fuzz_export,
                copies: 1000,
            },
            Target {
                name: "caracal_backup",
                body: crate::backup::fuzz::archive,
                copies: 3000,
            },
            Target {
                name: "caracal_notes",
                body: super::notes,
                copies: 2000,
            },
        ]);
    }
}

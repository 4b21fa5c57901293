//! What cannot be opened because a master key was not given.

use std::collections::BTreeMap;
use std::fmt;

use caracal_core::{Approval, Document, Kind, Name, Provider, SealedSecret, Sink, Zone};
use caracal_crypto::Keyring;
use serde::de::DeserializeOwned;

use super::{seals, seals_of};
use crate::view::{Remembered, ZoneView};
use crate::{Engine, StartError};

/// How many names of one kind are told.
const MAX_NAMES: usize = 3;

/// A master key that something is sealed under and that was not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingMasterKey {
    /// Its public name.
    pub id: String,
    /// The public name of the key that was given.
    pub given: String,
    /// The zones whose own keys need it.
    pub zones: Vec<String>,
    /// The providers whose credentials need it, as `zone/provider`.
    pub providers: Vec<String>,
    /// How many remembered answers, approvals and sinks need it.
    pub answers: usize,
}

impl fmt::Display for MissingMasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the master key `{}` was not given (`{}` was), and it is needed to open ",
            self.id, self.given
        )?;
        let mut parts = Vec::new();
        if !self.zones.is_empty() {
            parts.push(format!("the keys of the zones {}", named(&self.zones)));
        }
        if !self.providers.is_empty() {
            let names = named(&self.providers);
            parts.push(format!("the credentials of the providers {names}"));
        }
        if self.answers > 0 {
            parts.push(format!(
                "{} remembered answers, approvals and sinks",
                self.answers
            ));
        }
        f.write_str(&parts.join(", "))
    }
}

fn named(names: &[String]) -> String {
    let shown: Vec<_> = names
        .iter()
        .take(MAX_NAMES)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = names.len().saturating_sub(MAX_NAMES);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{}{rest}", shown.join(", "))
}

impl Engine {
    /// True when something in the zone is sealed under a key that the ring lacks.
    pub(crate) fn needs_another_key(&self, view: &ZoneView) -> bool {
        let ring = self.keyring();
        seals_of(view).any(|sealed| !ring.is_current(sealed) && missing(&ring, sealed).is_some())
    }

    /// Looks through everything stored for what the ring cannot open, and names the missing
    /// key that most of it needs.
    pub(crate) async fn find_missing_keys(&self) -> Result<Option<StartError>, StartError> {
        let ring = self.keyring();
        let mut found: BTreeMap<String, MissingMasterKey> = BTreeMap::new();
        for zone in self.state().list_zones().await? {
            let documents = self.state().load(zone).await?.documents;
            let name = documents
                .iter()
                .find(|document| document.kind == Kind::Zone);
            let name = name.and_then(|document| document.name.clone());
            for document in &documents {
                look(&ring, document, name.as_ref(), &mut found);
            }
        }
        let worst = found.into_iter().max_by_key(|(_, missing)| {
            (
                missing.zones.len(),
                missing.providers.len(),
                missing.answers,
            )
        });
        Ok(worst.map(|(id, missing)| {
            StartError::MasterKeyMissing(MissingMasterKey {
                id,
                given: ring.current_id(),
                ..missing
            })
        }))
    }
}

fn look(
    ring: &Keyring,
    document: &Document,
    zone: Option<&Name>,
    found: &mut BTreeMap<String, MissingMasterKey>,
) {
    let zone = zone.map_or_else(|| document.zone.to_string(), ToString::to_string);
    match document.kind {
        Kind::Zone => {
            let Some(value) = read::<Zone>(document) else {
                return;
            };
            for id in seals::of_zone(&value).filter_map(|sealed| missing(ring, sealed)) {
                let zones = &mut found.entry(id).or_default().zones;
                if !zones.contains(&zone) {
                    zones.push(zone.clone());
                }
            }
        }
        Kind::Provider => {
            let Some(value) = read::<Provider>(document) else {
                return;
            };
            if let Some(id) = seals::of_provider(&value).and_then(|sealed| missing(ring, sealed)) {
                let name = format!("{zone}/{}", value.name);
                found.entry(id).or_default().providers.push(name);
            }
        }
        Kind::Sink => {
            let Some(value) = read::<Sink>(document) else {
                return;
            };
            for id in seals::of_sink(&value).filter_map(|sealed| missing(ring, sealed)) {
                found.entry(id).or_default().answers += 1;
            }
        }
        Kind::Idempotency => {
            let Some(value) = read::<Remembered>(document) else {
                return;
            };
            if let Some(id) = missing(ring, seals::of_answer(&value)) {
                found.entry(id).or_default().answers += 1;
            }
        }
        Kind::Approval => {
            let Some(value) = read::<Approval>(document) else {
                return;
            };
            if let Some(id) = missing(ring, seals::of_approval(&value)) {
                found.entry(id).or_default().answers += 1;
            }
        }
        _ => {}
    }
}

/// The key of a seal, when the ring lacks it.
fn missing(ring: &Keyring, sealed: &SealedSecret) -> Option<String> {
    Keyring::master_key_of(sealed).filter(|id| !ring.knows(id))
}

/// What is damaged is told elsewhere.
fn read<T: DeserializeOwned>(document: &Document) -> Option<T> {
    serde_json::from_str(&document.body).ok()
}

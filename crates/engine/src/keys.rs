//! The keys that sign a zone's mandates: rotating them, and dropping one in an emergency.

use caracal_core::{EventType, KeyId, Kind, MandateKey, Role, Zone, ZoneId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::change::Change;
use crate::view::ZoneView;
use crate::{Admin, AdminError, Engine, MAX_TTL_SECONDS, Operator, new_keys};

/// How long a key is published before it signs, in seconds: twice as long as verifiers may
/// keep an older set of keys.
pub const PUBLISH_AHEAD_SECONDS: u32 = 120;
/// How long a key verifies beyond the last mandate that it may have signed, in seconds.
const GRACE_SECONDS: u32 = 60;

/// A key as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// The `kid`.
    pub id: KeyId,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// `published` (not signing yet), `signing`, or `verifying` (not signing any more).
    pub state: String,
}

impl Engine {
    /// The keys of a zone, newest first.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn list_keys(&self, zone: ZoneId, admin: &Admin) -> Result<Vec<KeyInfo>, AdminError> {
        let view = self.readable(admin, zone)?;
        Ok(describe(&view.zone.value, self.now()))
    }

    /// Makes a new key. It is published at once and signs [`PUBLISH_AHEAD_SECONDS`] later; the
    /// old one verifies until its last mandate has expired, and goes with a later rotation.
    ///
    /// # Errors
    /// Needs the role owner; one rotation at a time.
    pub async fn rotate_key(
        &self,
        zone: ZoneId,
        admin: &Admin,
    ) -> Result<Vec<KeyInfo>, AdminError> {
        admin.operator.require(Role::Owner, zone)?;
        self.write(zone, admin, |view| {
            let now = self.now();
            let mut value = view.zone.value.clone();
            let newest = value.mandate_keys.first();
            if newest.is_some_and(|key| key.signs_from > now) {
                let why = "a new key is published already and does not sign yet";
                return Err(AdminError::InUse(why.to_owned()));
            }
            let mut changed = forgotten(&mut value, now);
            changed.push((EventType::KeyRotated, self.add_key(&mut value, now)?));
            self.put_keys(view, admin, value, &changed)
        })
        .await
    }

    /// Rotates a key that has signed for as long as keys may, and forgets keys whose last
    /// mandate has expired.
    pub(crate) async fn sweep_keys(&self, zone: ZoneId) -> Result<(), AdminError> {
        let life = self.key_care().and_then(|care| care.zone_key_life);
        let admin = Admin::new(Operator::sweeper(), self.new_request_id());
        self.write(zone, &admin, |view| {
            let now = self.now();
            let mut value = view.zone.value.clone();
            let mut changed = forgotten(&mut value, now);
            // The instance's own key signs nothing.
            let life = life.filter(|_| zone != ZoneId::INSTANCE);
            if let (Some(life), Some(newest)) = (life, value.mandate_keys.first())
                && newest.signs_from <= now
                && now.duration_since(newest.created_at) >= life
            {
                changed.push((EventType::KeyRotated, self.add_key(&mut value, now)?));
            }
            if changed.is_empty() {
                return Ok((Change::standalone(zone), Vec::new()));
            }
            self.put_keys(view, &admin, value, &changed)
        })
        .await
        .map(drop)
    }

    fn add_key(&self, value: &mut Zone, now: Timestamp) -> Result<KeyId, AdminError> {
        let key = self.new_mandate_key(value.id, later(now, PUBLISH_AHEAD_SECONDS))?;
        let id = key.id;
        value.mandate_keys.insert(0, key);
        Ok(id)
    }

    /// Drops a key at once: every mandate that it signed is invalid from now on. When no other
    /// key may sign, a new one signs at once.
    ///
    /// # Errors
    /// Needs the role owner; the key must exist.
    pub async fn drop_key(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: KeyId,
    ) -> Result<Vec<KeyInfo>, AdminError> {
        admin.operator.require(Role::Owner, zone)?;
        self.write(zone, admin, |view| {
            let now = self.now();
            let mut value = view.zone.value.clone();
            let before = value.mandate_keys.len();
            value.mandate_keys.retain(|key| key.id != id);
            if value.mandate_keys.len() == before {
                return Err(AdminError::not_found("key", id));
            }
            if !value.mandate_keys.iter().any(|key| key.signs_from <= now) {
                let key = self.new_mandate_key(zone, now)?;
                value.mandate_keys.push(key);
            }
            self.put_keys(view, admin, value, &[(EventType::KeyDropped, id)])
        })
        .await
    }

    fn put_keys(
        &self,
        view: &ZoneView,
        admin: &Admin,
        value: Zone,
        changed: &[(EventType, KeyId)],
    ) -> Result<(Change, Vec<KeyInfo>), AdminError> {
        let zone = value.id;
        let mut change = Change::of_configuration(view);
        let held = view.zone_version();
        change.put(Kind::Zone, zone.uuid(), Some(&value.name), held, &value)?;
        for (event_type, id) in changed {
            let mut event = self.admin_event(zone, admin, *event_type);
            event.target = Some(id.to_string());
            change.events.push(event);
        }
        Ok((change, describe(&value, self.now())))
    }

    /// A new key that signs from a time on.
    pub(crate) fn new_mandate_key(
        &self,
        zone: ZoneId,
        signs_from: Timestamp,
    ) -> Result<MandateKey, AdminError> {
        new_keys::mandate_key(&self.keyring(), zone, self.now(), signs_from)
            .map_err(|why| AdminError::Unavailable { why, done: false })
    }
}

/// Forgets the keys whose last mandate has expired, and tells which.
fn forgotten(zone: &mut Zone, now: Timestamp) -> Vec<(EventType, KeyId)> {
    let mut superseded: Option<Timestamp> = None;
    let mut gone = Vec::new();
    zone.mandate_keys.retain(|key| {
        let since = superseded.replace(key.signs_from);
        let stays = since.is_none_or(|since| now < later(since, MAX_TTL_SECONDS + GRACE_SECONDS));
        if !stays {
            gone.push((EventType::KeyExpired, key.id));
        }
        stays
    });
    gone
}

fn describe(zone: &Zone, now: Timestamp) -> Vec<KeyInfo> {
    let mut signing_found = false;
    let state = |signs_from: Timestamp, signing_found: &mut bool| {
        if signs_from > now {
            "published"
        } else if std::mem::replace(signing_found, true) {
            "verifying"
        } else {
            "signing"
        }
    };
    zone.mandate_keys
        .iter()
        .map(|key| KeyInfo {
            id: key.id,
            created_at: key.created_at,
            signs_from: key.signs_from,
            state: state(key.signs_from, &mut signing_found).to_owned(),
        })
        .collect()
}

fn later(time: Timestamp, seconds: u32) -> Timestamp {
    let life = SignedDuration::from_secs(seconds.into());
    time.checked_add(life).unwrap_or(Timestamp::MAX)
}

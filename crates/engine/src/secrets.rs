//! Client secrets: a new one takes the old one's place, and both are accepted in between.

mod sweep;
mod uses;

use caracal_core::{
    Application, ClientSecret, ClientSecretId, EventType, Kind, MAX_SECRETS, Role, ZoneId,
};
use caracal_crypto::SecretText;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub(crate) use uses::SecretUses;

use crate::applications::find;
use crate::change::Change;
use crate::plan::CLIENT_SECRET_PREFIX;
use crate::view::{Stored, ZoneView};
use crate::zone_handle::ZoneHandle;
use crate::{Admin, AdminError, Engine};

/// How long the old secret is accepted beside the new one when nothing else is said: a day.
pub const DEFAULT_OVERLAP_SECONDS: u64 = 24 * 3600;
/// The longest overlap: 30 days.
pub const MAX_OVERLAP_SECONDS: u64 = 30 * 24 * 3600;

/// When the secrets that a rotation finds stop being accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndOfOldSecret {
    /// After this many seconds, at most [`MAX_OVERLAP_SECONDS`].
    After(u64),
    /// At once.
    Now,
}

/// A client secret as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretInfo {
    /// Its id.
    pub id: ClientSecretId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being accepted.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute; after a restart it may be an hour older.
    pub last_used_at: Option<Timestamp>,
}

/// A new client secret, which is shown this once.
#[derive(Clone, Serialize, Deserialize)]
pub struct RotatedSecret {
    /// The application.
    pub application: String,
    /// The new secret.
    pub secret: SecretInfo,
    /// Those that are accepted beside it for a while.
    pub older: Vec<SecretInfo>,
    /// Its text; none on a dry run.
    pub text: Option<String>,
}

impl std::fmt::Debug for RotatedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RotatedSecret")
            .field("application", &self.application)
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// The client secrets of an application that are accepted, newest first.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn list_secrets(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
    ) -> Result<Vec<SecretInfo>, AdminError> {
        let view = self.readable(admin, zone)?;
        let held = find(&view, key).ok_or_else(|| AdminError::not_found("application", key))?;
        Ok(self.describe_secrets(&view, &held.value))
    }

    /// The accepted secrets of an application, newest first.
    pub(crate) fn describe_secrets(&self, view: &ZoneView, held: &Application) -> Vec<SecretInfo> {
        let handle = self.zone_handle(view.zone.value.id);
        let now = self.now();
        let alive = held.secrets.iter().filter(|secret| secret.is_alive(now));
        let mut all: Vec<_> = alive
            .map(|secret| describe(handle.as_deref(), view, held, secret))
            .collect();
        all.sort_by_key(|secret| std::cmp::Reverse(secret.created_at));
        all
    }

    /// Makes a new client secret. The one before stops being accepted as `end` says.
    ///
    /// # Errors
    /// Needs the role admin. Two secrets may be alive at a time; the overlap is at most
    /// [`MAX_OVERLAP_SECONDS`].
    pub async fn rotate_secret(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
        end: EndOfOldSecret,
    ) -> Result<RotatedSecret, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        let overlap = match end {
            EndOfOldSecret::Now => None,
            EndOfOldSecret::After(seconds) => Some(check_overlap(seconds)?),
        };
        self.write(zone, admin, |view| {
            let held = find(view, key).ok_or_else(|| AdminError::not_found("application", key))?;
            admin.check_version(held.version)?;
            if !held.value.auth.is_secret() {
                let why = "the application proves itself with its own key and has no secret; \
                           take `auth` away from it first";
                return Err(AdminError::invalid("auth", why));
            }
            let now = self.now();
            let mut value = held.value.clone();
            value.secrets.retain(|secret| secret.is_alive(now));
            match overlap {
                None => value.secrets.clear(),
                Some(_) if value.secrets.len() >= MAX_SECRETS => return Err(too_many(&value)),
                Some(overlap) => {
                    let end = now.checked_add(overlap).unwrap_or(Timestamp::MAX);
                    for secret in &mut value.secrets {
                        secret.expires_at = Some(secret.expires_at.map_or(end, |e| e.min(end)));
                    }
                }
            }
            let text = SecretText::new(CLIENT_SECRET_PREFIX);
            let secret = ClientSecret {
                sha256: text.sha256_hex(),
                created_at: now,
                expires_at: None,
            };
            let handle = self.zone_handle(zone);
            let info = |secret: &ClientSecret| describe(handle.as_deref(), view, &value, secret);
            let answer = RotatedSecret {
                application: value.id.to_string(),
                secret: info(&secret),
                older: value.secrets.iter().map(info).collect(),
                text: (!admin.dry_run)
                    .then(|| text.text().expose_str().map(str::to_owned))
                    .flatten(),
            };
            let mut reason = format!("`{}` is new", secret.id());
            for old in &held.value.secrets {
                let end = value.secrets.iter().find(|s| s.sha256 == old.sha256);
                let end = end.and_then(|old| old.expires_at).unwrap_or(now);
                reason.push_str(&format!("; `{}` ends at {end}", old.id()));
            }
            value.secrets.push(secret);
            let change =
                self.put_secrets(view, admin, held, &value, EventType::SecretRotated, reason)?;
            Ok((change, answer))
        })
        .await
    }

    /// Ends one client secret at once.
    ///
    /// # Errors
    /// Needs the role admin. The only secret cannot be ended, only replaced.
    pub async fn end_secret(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
        secret: &str,
    ) -> Result<(), AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            let held = find(view, key).ok_or_else(|| AdminError::not_found("application", key))?;
            admin.check_version(held.version)?;
            let now = self.now();
            let mut value = held.value.clone();
            value.secrets.retain(|held| held.is_alive(now));
            let before = value.secrets.len();
            value.secrets.retain(|held| held.id().to_string() != secret);
            if value.secrets.len() == before {
                return Err(AdminError::not_found("secret", secret));
            }
            if value.secrets.is_empty() {
                let why = "it is the only secret of the application; a rotation with `revoke_old` \
                           replaces it at once, and `caracal revoke app/NAME` ends the application's authority";
                return Err(AdminError::InUse(why.to_owned()));
            }
            let reason = format!("`{secret}` is not accepted any more");
            let change = self.put_secrets(view, admin, held, &value, EventType::SecretEnded, reason)?;
            Ok((change, ()))
        })
        .await
    }

    fn put_secrets(
        &self,
        view: &ZoneView,
        admin: &Admin,
        held: &Stored<Application>,
        value: &Application,
        event_type: EventType,
        reason: String,
    ) -> Result<Change, AdminError> {
        let zone = view.zone.value.id;
        let mut change = Change::standalone(zone);
        let id = value.id.uuid();
        change.put(
            Kind::Application,
            id,
            Some(&value.name),
            held.version,
            value,
        )?;
        let mut event = self.admin_event(zone, admin, event_type);
        event.target = Some(value.id.to_string());
        event.target_name = Some(value.name.clone());
        event.reason = Some(reason);
        change.events.push(event);
        Ok(change)
    }
}

fn check_overlap(seconds: u64) -> Result<SignedDuration, AdminError> {
    if !(1..=MAX_OVERLAP_SECONDS).contains(&seconds) {
        let why = format!("use 1 to {MAX_OVERLAP_SECONDS} seconds (30 days)");
        return Err(AdminError::invalid("overlap_seconds", why));
    }
    Ok(SignedDuration::from_secs(
        i64::try_from(seconds).unwrap_or(i64::MAX),
    ))
}

fn too_many(held: &Application) -> AdminError {
    let ends = held.secrets.iter().filter_map(|secret| secret.expires_at);
    let end = ends
        .min()
        .map_or_else(String::new, |end| format!(" until {end}"));
    AdminError::InUse(format!(
        "`{}` has {MAX_SECRETS} client secrets already{end}; end one of them first, \
         or replace both at once with `revoke_old`",
        held.name
    ))
}

fn describe(
    handle: Option<&ZoneHandle>,
    view: &ZoneView,
    held: &Application,
    secret: &ClientSecret,
) -> SecretInfo {
    let id = secret.id();
    let written = view.secret_uses.get(&held.id.uuid());
    let written = written.and_then(|stored| stored.value.used.get(&id).copied());
    let seen = handle.and_then(|handle| handle.secret_uses.find(held.id, id));
    SecretInfo {
        id,
        created_at: secret.created_at,
        expires_at: secret.expires_at,
        last_used_at: seen.max(written),
    }
}

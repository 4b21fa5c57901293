//! API tokens of operators.

use caracal_core::{ApiToken, EventType, Kind, Name, OperatorId, Role, Version, ZoneId};
use caracal_crypto::SecretText;
use serde::{Deserialize, Serialize};

use crate::authenticate::format_token;
use crate::change::Change;
use crate::plan::find_by_key;
use crate::{Admin, AdminError, Engine, Versioned};

/// The longest life of an API token: 366 days.
pub const MAX_TOKEN_TTL_SECONDS: u64 = 366 * 24 * 3600;

/// The most API tokens of one zone, or of the instance.
const MAX_TOKENS: usize = 10_000;

/// A new API token with its text, which is shown this once.
#[derive(Clone, Serialize, Deserialize)]
pub struct CreatedToken {
    /// The stored part.
    pub token: Versioned<ApiToken>,
    /// What the operator presents; none on a dry run.
    pub text: Option<String>,
}

impl std::fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedToken")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Makes an API token for one zone, or for all.
    ///
    /// # Errors
    /// Needs the role owner there. The token's life is 1 second to a year.
    pub async fn create_token(
        &self,
        admin: &Admin,
        zone: Option<ZoneId>,
        name: Name,
        role: Role,
        ttl_seconds: u64,
    ) -> Result<CreatedToken, AdminError> {
        let partition = self.require_tokens(admin, zone, Role::Owner)?;
        if !(1..=MAX_TOKEN_TTL_SECONDS).contains(&ttl_seconds) {
            let why = format!("use 1 to {MAX_TOKEN_TTL_SECONDS} seconds");
            return Err(AdminError::invalid("ttl_seconds", why));
        }
        self.write(partition, admin, |view| {
            if view.tokens.find(name.as_str()).is_some() {
                return Err(AdminError::NameTaken(name.to_string()));
            }
            if view.tokens.len() >= MAX_TOKENS {
                let why = format!("there are {MAX_TOKENS} tokens; delete some first");
                return Err(AdminError::InUse(why));
            }
            let created_at = self.now();
            let id = OperatorId::new(created_at, &self.random());
            let secret = SecretText::new("");
            let life = jiff::SignedDuration::from_secs(i64::try_from(ttl_seconds).unwrap_or(0));
            let expires_at = created_at
                .checked_add(life)
                .map_err(|e| AdminError::invalid("ttl_seconds", e))?;
            let token = ApiToken {
                id,
                name: name.clone(),
                zone,
                role,
                sha256: secret.sha256_hex(),
                created_at,
                expires_at,
            };
            let mut change = Change::standalone(partition);
            change.put(Kind::Token, id.uuid(), Some(&name), Version::ABSENT, &token)?;
            let mut event = self.admin_event(partition, admin, EventType::TokenCreated);
            event.target = Some(id.to_string());
            event.target_name = Some(name.clone());
            change.events.push(event);
            let text = secret
                .text()
                .expose_str()
                .map(|text| format_token(partition, id, text));
            let token = Versioned {
                version: Version(1),
                value: token,
            };
            Ok((
                change,
                CreatedToken {
                    token,
                    text: text.filter(|_| !admin.dry_run),
                },
            ))
        })
        .await
    }

    /// The API tokens of a zone, or of the instance, by name.
    ///
    /// # Errors
    /// Needs the role viewer there.
    pub fn list_tokens(
        &self,
        admin: &Admin,
        zone: Option<ZoneId>,
    ) -> Result<Vec<Versioned<ApiToken>>, AdminError> {
        let partition = self.require_tokens(admin, zone, Role::Viewer)?;
        let handle = self
            .zone_handle(partition)
            .ok_or_else(|| AdminError::not_found("zone", partition))?;
        Ok(handle
            .view()
            .tokens
            .iter()
            .map(|held| Versioned::of(held))
            .collect())
    }

    /// Deletes an API token; it is refused from now on.
    ///
    /// # Errors
    /// Needs the role owner there.
    pub async fn delete_token(
        &self,
        admin: &Admin,
        zone: Option<ZoneId>,
        key: &str,
    ) -> Result<(), AdminError> {
        let partition = self.require_tokens(admin, zone, Role::Owner)?;
        self.write(partition, admin, |view| {
            let held = find_by_key(&view.tokens, OperatorId::PREFIX, key)
                .ok_or_else(|| AdminError::not_found("token", key))?;
            admin.check_version(held.version)?;
            let mut change = Change::standalone(partition);
            change.delete(Kind::Token, held.value.id.uuid(), held.version);
            let mut event = self.admin_event(partition, admin, EventType::TokenDeleted);
            event.target = Some(held.value.id.to_string());
            event.target_name = Some(held.value.name.clone());
            change.events.push(event);
            Ok((change, ()))
        })
        .await
    }

    fn require_tokens(
        &self,
        admin: &Admin,
        zone: Option<ZoneId>,
        role: Role,
    ) -> Result<ZoneId, AdminError> {
        match zone {
            Some(zone) => admin.operator.require(role, zone).map(|()| zone),
            None => admin
                .operator
                .require_instance(role)
                .map(|()| ZoneId::INSTANCE),
        }
    }
}

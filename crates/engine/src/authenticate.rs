//! Who is calling: applications by client secret, operators by API token.

use std::sync::Arc;

use caracal_core::{ApplicationId, OperatorId, RoleScope, Secret, ZoneId};

use crate::view::ZoneView;
use crate::zone_handle::ZoneHandle;
use crate::{Engine, Operator};

/// What an application presents.
pub struct ClientCredentials {
    /// The `client_id`.
    pub client_id: String,
    /// The `client_secret`.
    pub secret: Secret,
}

/// An authenticated application.
pub(crate) struct Client {
    pub(crate) handle: Arc<ZoneHandle>,
    pub(crate) view: Arc<ZoneView>,
    pub(crate) application: ApplicationId,
}

/// Nobody by these credentials. It does not say what was wrong with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the credentials are unknown, wrong or expired")]
pub struct Unauthenticated;

impl Engine {
    /// Finds the application that these credentials belong to.
    pub(crate) fn authenticate_client(
        &self,
        presented: &ClientCredentials,
    ) -> Result<Client, Unauthenticated> {
        let id: ApplicationId = presented.client_id.parse().map_err(|_| Unauthenticated)?;
        let zone = self
            .0
            .applications
            .pin()
            .get(&id)
            .copied()
            .ok_or(Unauthenticated)?;
        let handle = self.zone_handle(zone).ok_or(Unauthenticated)?;
        let view = handle.view();
        let application = view
            .applications
            .find_by_id(id.uuid())
            .ok_or(Unauthenticated)?;
        let now = self.now();
        let mut matched = false;
        for held in &application.value.secrets {
            let live = held.expires_at.is_none_or(|expiry| now < expiry);
            matched |=
                live & caracal_crypto::secret_matches(presented.secret.expose(), &held.sha256);
        }
        if !matched {
            return Err(Unauthenticated);
        }
        Ok(Client {
            handle,
            view: Arc::clone(&view),
            application: id,
        })
    }

    /// Finds the operator that an API token belongs to.
    ///
    /// # Errors
    /// When the token is unknown, wrong, deleted or expired.
    pub fn authenticate_operator(&self, token: &str) -> Result<Operator, Unauthenticated> {
        let (zone, id, secret) = parse_token(token).ok_or(Unauthenticated)?;
        let handle = self.zone_handle(zone).ok_or(Unauthenticated)?;
        let view = handle.view();
        let held = view.tokens.find_by_id(id.uuid()).ok_or(Unauthenticated)?;
        let live = self.now() < held.value.expires_at;
        if !(live & caracal_crypto::secret_matches(secret.as_bytes(), &held.value.sha256)) {
            return Err(Unauthenticated);
        }
        let scope = held.value.zone.map_or(RoleScope::AllZones, RoleScope::Zone);
        Ok(Operator::new(id.to_string(), held.value.role, scope))
    }
}

/// The prefix of API tokens, for scanners that look for leaked secrets.
pub(crate) const TOKEN_PREFIX: &str = "caracal_token_";

/// The parts of an API token: the partition it is stored in, its id, and its secret.
fn parse_token(token: &str) -> Option<(ZoneId, OperatorId, &str)> {
    let rest = token
        .strip_prefix(TOKEN_PREFIX)
        .filter(|rest| rest.len() < 200)?;
    let (zone, rest) = rest.split_once('.')?;
    let (id, secret) = rest.split_once('.')?;
    let zone = ZoneId::from_uuid(uuid::Uuid::try_parse(zone).ok()?);
    let id = OperatorId::from_uuid(uuid::Uuid::try_parse(id).ok()?);
    Some((zone, id, secret))
}

/// The text of an API token.
pub(crate) fn format_token(zone: ZoneId, id: OperatorId, secret: &str) -> String {
    format!(
        "{TOKEN_PREFIX}{}.{}.{secret}",
        zone.uuid().simple(),
        id.uuid().simple()
    )
}

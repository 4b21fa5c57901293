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

/// The digest of no secret.
const NO_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An application that has proved to be itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthenticatedClient {
    /// Its zone.
    pub zone: ZoneId,
    /// The application.
    pub application: ApplicationId,
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
        let Some((id, handle, view)) = self.find_client(&presented.client_id) else {
            return Err(self.refuse_unknown(presented.secret.expose()));
        };
        let Some(application) = view.applications.find_by_id(id.uuid()) else {
            return Err(self.refuse_unknown(presented.secret.expose()));
        };
        let now = self.now();
        let mut matched = None;
        // Every secret is compared, whichever matches.
        for held in &application.value.secrets {
            let is_it = caracal_crypto::secret_matches(presented.secret.expose(), &held.sha256);
            if held.is_alive(now) & is_it {
                matched = Some(held);
            }
        }
        let used = matched.ok_or(Unauthenticated)?;
        handle.secret_uses.note(id, used.id(), now);
        Ok(Client {
            handle,
            view: Arc::clone(&view),
            application: id,
        })
    }

    /// The application that these credentials belong to, for what is bounded by application.
    ///
    /// # Errors
    /// When there is none.
    pub fn check_client(
        &self,
        presented: &ClientCredentials,
    ) -> Result<AuthenticatedClient, Unauthenticated> {
        let client = self.authenticate_client(presented)?;
        Ok(AuthenticatedClient {
            zone: client.handle.id,
            application: client.application,
        })
    }

    pub(crate) fn find_client(
        &self,
        client_id: &str,
    ) -> Option<(ApplicationId, Arc<ZoneHandle>, Arc<ZoneView>)> {
        let id: ApplicationId = client_id.parse().ok()?;
        let zone = self.0.applications.pin().get(&id).copied()?;
        let handle = self.zone_handle(zone)?;
        let view = handle.view();
        Some((id, handle, view))
    }

    /// Takes as long as a wrong secret does, so that nobody learns by the time of an answer
    /// which ids exist.
    fn refuse_unknown(&self, secret: &[u8]) -> Unauthenticated {
        let _ = std::hint::black_box((
            self.now(),
            caracal_crypto::secret_matches(secret, NO_DIGEST),
        ));
        Unauthenticated
    }

    /// Finds the operator that an API token belongs to.
    ///
    /// # Errors
    /// When the token is unknown, wrong, deleted or expired.
    pub fn authenticate_operator(&self, token: &str) -> Result<Operator, Unauthenticated> {
        let (zone, id, secret) =
            parse_token(token).ok_or_else(|| self.refuse_unknown(token.as_bytes()))?;
        let view = self.zone_handle(zone).map(|handle| handle.view());
        let held = view
            .as_ref()
            .and_then(|view| view.tokens.find_by_id(id.uuid()))
            .ok_or_else(|| self.refuse_unknown(secret.as_bytes()))?;
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
pub(crate) fn parse_token(token: &str) -> Option<(ZoneId, OperatorId, &str)> {
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

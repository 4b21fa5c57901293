//! Applications that prove themselves with assertions (RFC 7523): of their own key
//! (`private_key_jwt`), or of an outside issuer, see [`crate::workload`].
//!
//! An assertion of an own key is good once, for a few minutes, and for this server alone. What was used is
//! remembered in memory, so one that was made before the server started is refused.

use std::sync::Arc;

use caracal_core::{ApplicationId, ClientAuth, ZoneId};
use caracal_crypto::{ClientKeys, OutsideToken, TokenError, UnverifiedToken};
use jiff::Timestamp;

use crate::authenticate::Client;
use crate::outside_keys::KeyPlace;
use crate::proof::{SeenProofs, Unseen};
use crate::view::ZoneView;
use crate::{AuthenticatedClient, Engine, IssueError, OutsideTokenError};

/// How long an assertion is good at most after it was made, whatever its `exp` says, in seconds.
const MAX_ASSERTION_SECONDS: i64 = 600;
/// How far the client's clock may be from ours, to either side, in seconds.
pub(crate) const LEEWAY_SECONDS: i64 = 60;
/// Assertions are forgotten by the minute in which they end.
pub(crate) const EPOCH_SECONDS: i64 = 60;
/// How many assertions are remembered that end in the same minute; each takes about 80 bytes.
const MAX_SEEN: u32 = 60_000;
/// How many of them one application may have.
const MAX_SHARE: u32 = 20_000;

/// What an application presents that has no secret.
pub struct ClientAssertion {
    /// The `client_id`; none: the one that the assertion names.
    pub client_id: Option<String>,
    /// The `client_assertion`.
    pub text: String,
}

/// An application whose assertion was accepted by [`Engine::admit_caller`], the only way to get
/// one: an assertion is good once, and a request asks several times who sends it.
pub struct ProvenClient {
    zone: ZoneId,
    application: ApplicationId,
}

/// Why an assertion is not accepted. Whether a client exists, and what keys it has, is told by
/// none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// It is none, or no key of the client has signed it.
    #[error("the client assertion is not accepted: {0}")]
    Token(#[from] TokenError),
    /// It does not name the client in `iss` and `sub`.
    #[error("the `iss` and `sub` of a client assertion are both the `client_id`")]
    OtherClient,
    /// It is for another server, or for others too.
    #[error("the `aud` of a client assertion is the zone's issuer or the token endpoint, alone")]
    Audience,
    /// It has ended.
    #[error("the client assertion has expired: it is good until `exp`, and for 10 min at most")]
    Expired,
    /// It says that it was made, or is good, later than now.
    #[error("the client assertion is from the future: check the clock, 60 s are allowed")]
    NotYet,
    /// It does not say when it was made, or has no name.
    #[error("a client assertion needs `iat` and a `jti` of its own")]
    Unnamed,
    /// It was used before.
    #[error("the client assertion was used before: make a new one for each request")]
    Replayed,
    /// It is older than what the server remembers.
    #[error("the client assertion was made before the server started: make a new one")]
    BeforeStart,
    /// There is no room to remember it.
    #[error("too many client assertions in the last minutes: a session mandate saves them")]
    NoRoom,
    /// The keys that the client publishes cannot be fetched.
    #[error("the keys of the client cannot be fetched: try again, and look into the server's log")]
    KeysUnavailable,
    /// The token of an outside issuer is not believed.
    #[error("the client assertion: {0}")]
    Outside(OutsideTokenError),
    /// Neither the request nor the token tells which zone it is for.
    #[error("name the `client_id`, or have the token made for the zone's issuer as its `aud`")]
    Unaddressed,
    /// The token is good, and no application is known by it.
    #[error("the conditions of no application hold for this token")]
    NoApplication,
    /// Several applications are known by it.
    #[error("the conditions of several applications hold for this token: name the `client_id`")]
    Ambiguous,
}

impl AssertionError {
    /// The word for it in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token(TokenError::BadSignature) => "bad_signature",
            Self::Token(TokenError::WrongAlgorithm) => "wrong_algorithm",
            Self::Token(_) => "malformed",
            Self::OtherClient => "wrong_client",
            Self::Audience => "wrong_audience",
            Self::Expired => "expired",
            Self::NotYet => "not_yet_valid",
            Self::Unnamed => "unnamed",
            Self::Replayed => "replayed",
            Self::BeforeStart => "before_start",
            Self::NoRoom => "no_room",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Outside(error) => error.as_str(),
            Self::Unaddressed => "unaddressed",
            Self::NoApplication => "no_application",
            Self::Ambiguous => "ambiguous",
        }
    }
}

impl From<OutsideTokenError> for AssertionError {
    fn from(error: OutsideTokenError) -> Self {
        match error {
            // What cannot be read, and what no key has signed, is the same for every client.
            OutsideTokenError::Token(error) => Self::Token(error),
            OutsideTokenError::NoRoom => Self::NoRoom,
            OutsideTokenError::KeysUnavailable => Self::KeysUnavailable,
            error => Self::Outside(error),
        }
    }
}

impl From<AssertionError> for IssueError {
    fn from(error: AssertionError) -> Self {
        match error {
            AssertionError::NoRoom => Self::SlowDown(error.to_string()),
            AssertionError::KeysUnavailable => Self::Unavailable(error.to_string()),
            error => Self::InvalidAssertion(error),
        }
    }
}

/// What the engine remembers of assertions.
pub(crate) struct Assertions {
    pub(crate) seen: SeenProofs,
    pub(crate) since: Timestamp,
}

impl Assertions {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            seen: SeenProofs::with_room(MAX_SEEN, MAX_SHARE),
            since: now,
        }
    }
}

impl ClientAssertion {
    /// The client that it is presented for. Unchecked.
    pub fn client_id(&self) -> Option<String> {
        self.client_id.clone().or_else(|| {
            let token = UnverifiedToken::parse(&self.text).ok()?;
            Some(token.subject().to_owned())
        })
    }
}

impl Engine {
    /// Checks an assertion and takes note that it was used.
    pub(crate) async fn prove_client(
        &self,
        presented: &ClientAssertion,
    ) -> Result<ProvenClient, AssertionError> {
        let proven = self.check_assertion(presented).await;
        let result = proven.as_ref().map_or_else(|e| e.as_str(), |_| "accepted");
        metrics::counter!("caracal_client_assertions_total", "result" => result).increment(1);
        proven
    }

    async fn check_assertion(
        &self,
        presented: &ClientAssertion,
    ) -> Result<ProvenClient, AssertionError> {
        let unverified = UnverifiedToken::parse(&presented.text)?;
        let client_id = presented.client_id.as_deref();
        let is_named = client_id.is_some();
        let client_id = client_id.unwrap_or_else(|| unverified.subject());
        let unknown = AssertionError::Token(TokenError::BadSignature);
        let Some((id, handle, view)) = self.find_client(client_id) else {
            if is_named || client_id.parse::<ApplicationId>().is_ok() {
                return Err(unknown);
            }
            // It is no application's own, so its `sub` is what somebody else calls one.
            let handle = self.zone_of_audience(&unverified);
            let handle = handle.ok_or(AssertionError::Unaddressed)?;
            let application = self.prove_workload(&handle, &unverified, None).await?;
            return Ok(ProvenClient {
                zone: handle.id,
                application,
            });
        };
        let application = view.applications.find_by_id(id.uuid()).ok_or(unknown)?;
        let keys = match &application.value.auth {
            ClientAuth::Secret => return Err(unknown),
            ClientAuth::PrivateKeyJwt { jwks } => {
                Arc::new(ClientKeys::parse(jwks).map_err(|_| unknown)?)
            }
            ClientAuth::PublishedKeyJwt {
                jwks_uri,
                allow_private,
            } => {
                let place = KeyPlace::at_uri(handle.id, jwks_uri, *allow_private);
                let keys = self.keys_at(&place, &unverified).await;
                keys.map_err(|_| AssertionError::KeysUnavailable)?
            }
            ClientAuth::Workload(_) => {
                let application = self.prove_workload(&handle, &unverified, Some(id)).await?;
                return Ok(ProvenClient {
                    zone: handle.id,
                    application,
                });
            }
        };
        self.check_own_assertion(&view, client_id, &unverified, &keys)?;
        Ok(ProvenClient {
            zone: handle.id,
            application: id,
        })
    }

    /// Checks what a client has signed with its own key, and takes note that it was used.
    fn check_own_assertion(
        &self,
        view: &ZoneView,
        client_id: &str,
        unverified: &UnverifiedToken<'_>,
        keys: &ClientKeys,
    ) -> Result<(), AssertionError> {
        let token = unverified.verify(keys)?;
        if token.iss().is_empty() {
            return Err(TokenError::Malformed.into());
        }
        if token.iss() != client_id || token.sub() != client_id {
            return Err(AssertionError::OtherClient);
        }
        let id: ApplicationId = client_id.parse().map_err(|_| AssertionError::OtherClient)?;
        if !self.is_for_us(&token, &view.zone.value.issuer) {
            return Err(AssertionError::Audience);
        }
        let now = self.now().as_second();
        let end = self.end_of(&token, now)?;
        let name = token.id().ok_or(AssertionError::Unnamed)?;
        let (end, now) = (end.div_euclid(EPOCH_SECONDS), now.div_euclid(EPOCH_SECONDS));
        let seen = &self.0.assertions.seen;
        seen.remember(end, now, id, name)
            .map_err(|unseen| match unseen {
                Unseen::Before => AssertionError::Replayed,
                Unseen::OwnShare | Unseen::Full => AssertionError::NoRoom,
            })
    }

    /// True when a token is for this server and nobody else, who could show it here.
    fn is_for_us(&self, token: &OutsideToken, issuer: &str) -> bool {
        let is_ours = |aud: &String| self.is_our_name(aud, issuer);
        !token.aud().is_empty() && token.aud().iter().all(is_ours)
    }

    /// True for the zone's issuer and for the token endpoint.
    pub(crate) fn is_our_name(&self, aud: &str, issuer: &str) -> bool {
        let path = aud.strip_prefix(self.config().sts_url.as_str());
        aud == issuer || matches!(path, Some("/oauth/2/token" | "/oauth/token"))
    }

    /// When an assertion stops being accepted, in seconds since the epoch.
    fn end_of(&self, token: &OutsideToken, now: i64) -> Result<i64, AssertionError> {
        let made = token.iat().ok_or(AssertionError::Unnamed)?;
        let latest = now.saturating_add(LEEWAY_SECONDS);
        if made > latest || token.nbf().is_some_and(|nbf| nbf > latest) {
            return Err(AssertionError::NotYet);
        }
        // Clients that say an hour are common; the life that counts is ours.
        let end = made.saturating_add(MAX_ASSERTION_SECONDS).min(token.exp());
        let end = end.saturating_add(LEEWAY_SECONDS);
        if end <= now {
            return Err(AssertionError::Expired);
        }
        if made < self.0.assertions.since.as_second() {
            return Err(AssertionError::BeforeStart);
        }
        Ok(end)
    }

    /// The client of an accepted assertion, as it is now.
    pub(crate) fn proven_client(&self, proven: &ProvenClient) -> Result<Client, IssueError> {
        let handle = self
            .zone_handle(proven.zone)
            .ok_or(IssueError::InvalidClient)?;
        let view = handle.view();
        let held = view.applications.find_by_id(proven.application.uuid());
        // Turned to secrets in between.
        if held.is_none_or(|held| held.value.auth.is_secret()) {
            return Err(IssueError::InvalidClient);
        }
        Ok(Client {
            handle,
            view,
            application: proven.application,
        })
    }
}

impl From<&ProvenClient> for AuthenticatedClient {
    fn from(proven: &ProvenClient) -> Self {
        Self {
            zone: proven.zone,
            application: proven.application,
        }
    }
}

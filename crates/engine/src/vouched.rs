//! Tokens that outside issuers have signed: what holds for workloads and people alike.

use std::sync::Arc;

use caracal_core::{ApplicationId, Issuer, PublishedKeys, trust_domain_of};
use caracal_crypto::{ClientKeys, OutsideToken, TokenError, UnverifiedToken};

use crate::Engine;
use crate::assertion::{EPOCH_SECONDS, LEEWAY_SECONDS};
use crate::outside_keys::KeyPlace;
use crate::proof::Unseen;
use crate::view::{Stored, ZoneView};
use crate::zone_handle::ZoneHandle;

/// Why a token of an outside issuer is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutsideTokenError {
    /// It is none, or no key of its issuer has signed it.
    #[error("the token is not accepted: {0}")]
    Token(#[from] TokenError),
    /// Nobody here knows who made it, or what it is shown for is not what its issuer may prove.
    #[error("no issuer of the token is registered in this zone for what it is shown for")]
    UnknownIssuer,
    /// It is signed with an algorithm that its issuer is not registered with.
    #[error("the token is signed with an algorithm that its issuer is not registered with")]
    Algorithm,
    /// The keys cannot be fetched.
    #[error(
        "the keys of the token's issuer cannot be fetched: try again, and look into the server's log"
    )]
    KeysUnavailable,
    /// It is for somebody else, or for others too.
    #[error("the `aud` of the token is not what its issuer is registered with, alone")]
    Audience,
    /// It has ended.
    #[error("the token has expired")]
    Expired,
    /// It was made too long ago, or is good for too long.
    #[error("the token is older than its issuer is registered with: get a new one")]
    TooOld,
    /// It says that it was made, or is good, later than now.
    #[error("the token is from the future: check the clocks, 60 s are allowed")]
    NotYet,
    /// It was used before.
    #[error("the token was used before, and its issuer is registered with `single_use`")]
    Replayed,
    /// It is older than what the server remembers.
    #[error(
        "the token was made before the server started, and its issuer is registered with `single_use`"
    )]
    BeforeStart,
    /// There is no room to remember it.
    #[error("too many tokens in the last minutes: try again later")]
    NoRoom,
}

impl OutsideTokenError {
    /// The word for it in metrics and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token(TokenError::BadSignature) => "bad_signature",
            Self::Token(TokenError::WrongAlgorithm) | Self::Algorithm => "wrong_algorithm",
            Self::Token(_) => "malformed",
            Self::UnknownIssuer => "unknown_issuer",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Audience => "wrong_audience",
            Self::Expired => "expired",
            Self::TooOld => "too_old",
            Self::NotYet => "not_yet_valid",
            Self::Replayed => "replayed",
            Self::BeforeStart => "before_start",
            Self::NoRoom => "no_room",
        }
    }
}

/// What a token is shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShownFor {
    /// To be an application.
    Application,
    /// To work for, or decide as, a person.
    Subject,
}

/// A token that is believed. It is not used up yet.
pub(crate) struct Vouched {
    pub(crate) token: OutsideToken,
    pub(crate) issuer: Arc<Stored<Issuer>>,
    pub(crate) view: Arc<ZoneView>,
    /// Until when it would be believed, in seconds since the epoch.
    end: i64,
}

/// The issuer of a token by what it says itself.
fn find_issuer(
    view: &ZoneView,
    token: &UnverifiedToken<'_>,
    shown_for: ShownFor,
) -> Option<Arc<Stored<Issuer>>> {
    let named = token.issuer().and_then(|url| view.issuer_with(url));
    // JWT-SVIDs need not say who made them: their trust domain has.
    let found = named.or_else(|| view.issuer_with(trust_domain_of(token.subject())?));
    let may = |issuer: &Issuer| match shown_for {
        ShownFor::Application => issuer.applications,
        ShownFor::Subject => issuer.subjects,
    };
    found.filter(|held| may(&held.value)).cloned()
}

impl Engine {
    /// Believes a token, or says why not.
    pub(crate) async fn vouch(
        &self,
        handle: &ZoneHandle,
        unverified: &UnverifiedToken<'_>,
        shown_for: ShownFor,
    ) -> Result<Vouched, OutsideTokenError> {
        let unknown = OutsideTokenError::UnknownIssuer;
        let issuer = find_issuer(&handle.view(), unverified, shown_for).ok_or(unknown)?;
        let place = KeyPlace::of_issuer(handle.id, &issuer.value);
        let keys = match (&place, &issuer.value.keys) {
            (None, PublishedKeys::Jwks(jwks)) => {
                let keys = ClientKeys::parse(jwks);
                Arc::new(keys.map_err(|_| OutsideTokenError::KeysUnavailable)?)
            }
            (Some(place), _) => {
                let keys = self.keys_at(place, unverified).await;
                keys.map_err(|_| OutsideTokenError::KeysUnavailable)?
            }
            (None, _) => return Err(OutsideTokenError::KeysUnavailable),
        };
        // It may have been changed or removed while its keys were on their way.
        let view = handle.view();
        let issuer = find_issuer(&view, unverified, shown_for).ok_or(unknown)?;
        if KeyPlace::of_issuer(handle.id, &issuer.value) != place {
            return Err(OutsideTokenError::KeysUnavailable);
        }
        if !(issuer.value.algorithms.iter()).any(|name| name == unverified.algorithm()) {
            return Err(OutsideTokenError::Algorithm);
        }
        let token = unverified.verify(&keys)?;
        let domain = trust_domain_of(token.sub());
        if issuer.value.trust_domain().is_some() && domain != Some(issuer.value.url.as_str()) {
            return Err(OutsideTokenError::UnknownIssuer);
        }
        if !self.is_for(&token, &issuer.value, &view) {
            return Err(OutsideTokenError::Audience);
        }
        let end = end_of(&token, &issuer.value, self.now().as_second())?;
        Ok(Vouched {
            token,
            issuer,
            view,
            end,
        })
    }

    /// True when a token is for nobody but whom its issuer is registered with.
    fn is_for(&self, token: &OutsideToken, issuer: &Issuer, view: &ZoneView) -> bool {
        let is_one = |aud: &str| match issuer.audiences.as_slice() {
            [] => self.is_our_name(aud, &view.zone.value.issuer),
            named => named.iter().any(|name| name == aud),
        };
        // Who asked for an ID token, where it was not its audience (OpenID Connect Core, 3.1.3.7).
        let asked_by = token.claims().get("azp").filter(|_| issuer.subjects);
        !token.aud().is_empty()
            && token.aud().iter().all(|aud| is_one(aud))
            && asked_by.is_none_or(|azp| azp.as_str().is_some_and(is_one))
    }

    /// Takes note that a token was used, where its issuer's are good once.
    pub(crate) fn use_up(
        &self,
        vouched: &Vouched,
        application: ApplicationId,
    ) -> Result<(), OutsideTokenError> {
        if !vouched.issuer.value.single_use {
            return Ok(());
        }
        let made = vouched.token.iat().or(vouched.token.nbf());
        let since = self.0.assertions.since.as_second();
        // Nobody knows whether it was used before.
        if made.is_none_or(|made| made < since) {
            return Err(OutsideTokenError::BeforeStart);
        }
        let now = self.now().as_second().div_euclid(EPOCH_SECONDS);
        let end = vouched.end.div_euclid(EPOCH_SECONDS);
        let seen = &self.0.assertions.seen;
        seen.remember(end, now, application, vouched.token.digest())
            .map_err(|unseen| match unseen {
                Unseen::Before => OutsideTokenError::Replayed,
                Unseen::OwnShare | Unseen::Full => OutsideTokenError::NoRoom,
            })
    }
}

/// When a token stops being believed, in seconds since the epoch.
fn end_of(token: &OutsideToken, issuer: &Issuer, now: i64) -> Result<i64, OutsideTokenError> {
    let latest = now.saturating_add(LEEWAY_SECONDS);
    let is_later = |time: i64| time > latest;
    if token.iat().is_some_and(is_later) || token.nbf().is_some_and(is_later) {
        return Err(OutsideTokenError::NotYet);
    }
    let ends = token.exp().saturating_add(LEEWAY_SECONDS);
    if ends <= now {
        return Err(OutsideTokenError::Expired);
    }
    let age = i64::from(issuer.max_age_seconds);
    let Some(made) = token.iat() else {
        // Nobody knows how old it is, so what it has left must not be more than it may have.
        return if token.exp() > latest.saturating_add(age) {
            Err(OutsideTokenError::TooOld)
        } else {
            Ok(ends)
        };
    };
    let oldest = made.saturating_add(age).saturating_add(LEEWAY_SECONDS);
    if oldest <= now {
        return Err(OutsideTokenError::TooOld);
    }
    Ok(ends.min(oldest))
}

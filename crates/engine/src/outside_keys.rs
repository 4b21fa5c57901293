//! The keys of outside issuers, and of applications that publish theirs.
//!
//! They are fetched when somebody shows a token, and kept. Keys that are at hand are used at once,
//! also while they are fetched again: nobody waits for an endpoint who need not. Only one fetch of
//! a place is under way at a time, and none begins within [`RETRY_SECONDS`] of the one before,
//! so that tokens with made-up keys cost nobody anything.

mod fetch;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use caracal_core::{PublishedKeys, ZoneId};
use caracal_crypto::{ClientKeys, UnverifiedToken};
use caracal_egress::Egress;
use jiff::Timestamp;
use tokio::sync::Notify;

pub(crate) use fetch::check_url;

use crate::Engine;

/// How long fetched keys are used before they are fetched again, in seconds.
pub(crate) const FRESH_SECONDS: i64 = 600;
/// How long they are used at most, when they cannot be fetched again, in seconds.
pub(crate) const STALE_SECONDS: i64 = 3600;
/// How long to wait after one fetch until the next, in seconds: an unknown key is asked for no
/// more often.
pub(crate) const RETRY_SECONDS: i64 = 10;
/// How many places are remembered; those not asked for any more go first.
const MAX_PLACES: u64 = 10_000;
/// How long whoever needs keys waits for them: a little longer than a fetch takes at most.
const WAIT: Duration = Duration::from_secs(6);

/// Where keys are published.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct KeyPlace {
    zone: ZoneId,
    url: Box<str>,
    /// True: the URL is an issuer's, whose metadata tell where the keys are.
    is_issuer: bool,
    allow_private: bool,
}

impl KeyPlace {
    pub(crate) fn at_uri(zone: ZoneId, uri: &str, allow_private: bool) -> Self {
        Self {
            zone,
            url: uri.into(),
            is_issuer: false,
            allow_private,
        }
    }

    /// None when the keys are registered and need no fetching.
    pub(crate) fn of_issuer(zone: ZoneId, issuer: &caracal_core::Issuer) -> Option<Self> {
        match &issuer.keys {
            PublishedKeys::Jwks(_) => None,
            PublishedKeys::JwksUri(uri) => Some(Self::at_uri(zone, uri, issuer.allow_private)),
            PublishedKeys::Discovery => Some(Self {
                is_issuer: true,
                ..Self::at_uri(zone, &issuer.url, issuer.allow_private)
            }),
        }
    }
}

/// The keys of a place cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeysUnavailable;

/// What is known of the keys of every place.
pub(crate) struct OutsideKeys {
    slots: moka::sync::Cache<KeyPlace, Arc<Slot>>,
    egress: OnceLock<Egress>,
}

impl Default for OutsideKeys {
    fn default() -> Self {
        Self {
            slots: moka::sync::Cache::new(MAX_PLACES),
            egress: OnceLock::new(),
        }
    }
}

#[derive(Default)]
struct Slot {
    state: Mutex<State>,
    /// Woken when a fetch has ended.
    ended: Notify,
}

#[derive(Default)]
struct State {
    held: Option<(Arc<ClientKeys>, Timestamp)>,
    tried: Option<Timestamp>,
    is_fetching: bool,
}

/// What to do for somebody who needs a key.
enum Step {
    /// Use these; true: and fetch them again meanwhile.
    Use(Arc<ClientKeys>, bool),
    /// Fetch, and look again.
    Fetch,
    /// Somebody fetches: look again then.
    Wait,
    /// They cannot be had now.
    Unavailable,
}

impl State {
    /// Decides, and notes what is begun.
    fn step(&mut self, now: Timestamp, knows: impl Fn(&ClientKeys) -> bool) -> Step {
        let age = |since: Timestamp| now.as_second().saturating_sub(since.as_second());
        let usable = self
            .held
            .as_ref()
            .filter(|held| age(held.1) < STALE_SECONDS);
        let may_fetch =
            !self.is_fetching && self.tried.is_none_or(|tried| age(tried) >= RETRY_SECONDS);
        let step = match usable {
            Some((keys, at)) if knows(keys) => {
                Step::Use(Arc::clone(keys), may_fetch && age(*at) >= FRESH_SECONDS)
            }
            _ if may_fetch => Step::Fetch,
            _ if self.is_fetching => Step::Wait,
            Some((keys, _)) => Step::Use(Arc::clone(keys), false),
            None => Step::Unavailable,
        };
        if matches!(step, Step::Fetch | Step::Use(_, true)) {
            self.is_fetching = true;
            self.tried = Some(now);
        }
        step
    }
}

/// Ends a fetch, also one that is given up.
struct Fetching(Arc<Slot>);

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.state().is_fetching = false;
        self.0.ended.notify_waiters();
    }
}

impl Slot {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Gives the engine its way out, for the keys of others. Until then none can be fetched, and
    /// only the first call counts.
    pub fn set_way_out(&self, egress: Egress) {
        let _ = self.0.outside_keys.egress.set(egress);
    }

    /// The keys of a place, for this token: with the one that it names, if that can be had. Waits
    /// 6 s at most.
    pub(crate) async fn keys_at(
        &self,
        place: &KeyPlace,
        token: &UnverifiedToken<'_>,
    ) -> Result<Arc<ClientKeys>, KeysUnavailable> {
        let slots = &self.0.outside_keys.slots;
        let slot = slots.get_with_by_ref(place, Arc::default);
        let deadline = tokio::time::Instant::now() + WAIT;
        loop {
            let ended = slot.ended.notified();
            tokio::pin!(ended);
            // From now on no end is missed.
            ended.as_mut().enable();
            let knows = |keys: &ClientKeys| token.may_be_signed_by(keys);
            let step = slot.state().step(self.now(), knows);
            match step {
                Step::Use(keys, again) => {
                    if again {
                        self.begin_fetch(place, &slot);
                    }
                    return Ok(keys);
                }
                Step::Fetch => self.begin_fetch(place, &slot),
                Step::Wait => {}
                Step::Unavailable => return Err(KeysUnavailable),
            }
            let waited = tokio::time::timeout_at(deadline, ended).await;
            waited.map_err(|_| KeysUnavailable)?;
        }
    }

    /// Fetches in a task of its own: whoever began it may go away, and others wait for it.
    fn begin_fetch(&self, place: &KeyPlace, slot: &Arc<Slot>) {
        let fetching = Fetching(Arc::clone(slot));
        let (engine, place) = (self.clone(), place.clone());
        self.0.tasks.spawn(async move {
            let fetched = engine.fetch_keys(&place).await;
            let outcome = match fetched {
                Ok(keys) => {
                    fetching.0.state().held = Some((Arc::new(keys), engine.now()));
                    "fetched"
                }
                Err(error) => {
                    let host = url::Url::parse(&place.url).ok();
                    let host = host
                        .as_ref()
                        .and_then(url::Url::host_str)
                        .unwrap_or_default();
                    tracing::warn!(host, %error, "the keys of an issuer cannot be fetched");
                    error.kind()
                }
            };
            metrics::counter!("caracal_issuer_key_fetches_total", "outcome" => outcome)
                .increment(1);
        });
    }
}

#[cfg(test)]
mod tests {
    use caracal_crypto::DpopSigner;
    use serde_json::json;

    use super::*;

    fn keys() -> ClientKeys {
        let jwks = json!({ "keys": [DpopSigner::generate().unwrap().jwk()] });
        ClientKeys::parse(&jwks).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn word(step: &Step) -> &'static str {
        match step {
            Step::Use(_, false) => "use",
            Step::Use(_, true) => "use and fetch",
            Step::Fetch => "fetch",
            Step::Wait => "wait",
            Step::Unavailable => "unavailable",
        }
    }

    #[test]
    fn one_fetch_at_a_time_and_none_right_after_the_last() {
        let mut state = State::default();
        let look =
            |state: &mut State, second, knows: bool| word(&state.step(at(second), |_| knows));
        assert_eq!(look(&mut state, 1000, true), "fetch");
        assert_eq!(look(&mut state, 1000, true), "wait");
        // It failed.
        state.is_fetching = false;
        assert_eq!(look(&mut state, 1009, true), "unavailable");
        assert_eq!(look(&mut state, 1010, true), "fetch");
        state.is_fetching = false;
        state.held = Some((Arc::new(keys()), at(1010)));
        assert_eq!(look(&mut state, 1011, true), "use");
        // An unknown key waits for its turn, and is refused by the keys at hand until then.
        assert_eq!(look(&mut state, 1019, false), "use");
        assert_eq!(look(&mut state, 1020, false), "fetch");
        assert_eq!(look(&mut state, 1020, false), "wait");
        // Nobody with a known key waits meanwhile.
        assert_eq!(look(&mut state, 1020, true), "use");
    }

    #[test]
    fn old_keys_are_used_for_a_bounded_time() {
        let mut state = State {
            held: Some((Arc::new(keys()), at(0))),
            tried: Some(at(0)),
            is_fetching: false,
        };
        let look = |state: &mut State, second| word(&state.step(at(second), |_| true));
        assert_eq!(look(&mut state, FRESH_SECONDS - 1), "use");
        assert_eq!(look(&mut state, FRESH_SECONDS), "use and fetch");
        assert_eq!(look(&mut state, FRESH_SECONDS), "use");
        state.is_fetching = false;
        assert_eq!(look(&mut state, FRESH_SECONDS + 1), "use");
        assert_eq!(look(&mut state, STALE_SECONDS - 1), "use and fetch");
        assert_eq!(look(&mut state, STALE_SECONDS), "wait");
        state.is_fetching = false;
        assert_eq!(look(&mut state, STALE_SECONDS), "unavailable");
        assert_eq!(look(&mut state, STALE_SECONDS + RETRY_SECONDS), "fetch");
    }
}

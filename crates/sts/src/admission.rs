//! Who is let in: whoever shows a good secret, as long as there is a place.

use caracal_core::{ApplicationId, ClientAddress};
use caracal_engine::{AuthenticatedClient, CallerCredentials, IssueError};
use caracal_limits::{Claimant, Place, Source, TurnedAway, Turnstile};
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap};

use crate::answer::Refused;
use crate::client::credentials;
use crate::form::Form;
use crate::router::Sts;

/// Where a request comes from, for the budget of bad secrets.
pub(crate) fn source(extensions: &Extensions) -> Option<Source> {
    Source::of_client(extensions.get::<ClientAddress>().copied())
}

/// A client that has shown its secret and has a place for its request.
pub(crate) struct Admitted {
    pub(crate) credentials: CallerCredentials,
    /// The thumbprint of the key that the request proves; none: it proves none.
    pub(crate) key: Option<String>,
    /// The application that it is, or acts for.
    pub(crate) application: ApplicationId,
    _place: Place,
}

impl Sts {
    /// Lets a client in. A good secret always works: what was tried before, from the same
    /// source or in the same name, only changes what bad ones are answered.
    ///
    /// # Errors
    /// `invalid_client` or `slow_down` for bad credentials; `slow_down` or
    /// `temporarily_unavailable` when there is no place; those of [`Self::prove`].
    pub(crate) async fn admit(
        &self,
        extensions: &Extensions,
        headers: &HeaderMap,
        form: &mut Form,
    ) -> Result<Admitted, Refused> {
        self.admit_to(&self.limits.places, extensions, headers, form)
            .await
    }

    /// The same with a place of those who wait.
    pub(crate) async fn admit_waiting(
        &self,
        extensions: &Extensions,
        headers: &HeaderMap,
    ) -> Result<Admitted, Refused> {
        self.admit_to(&self.limits.waits, extensions, headers, &mut Form::none())
            .await
    }

    async fn admit_to(
        &self,
        places: &Turnstile,
        extensions: &Extensions,
        headers: &HeaderMap,
        form: &mut Form,
    ) -> Result<Admitted, Refused> {
        let (client, credentials) = self.authenticate(extensions, headers, form).await?;
        let claimant = Claimant {
            zone: client.zone.uuid().as_u128(),
            application: client.application.uuid().as_u128(),
        };
        let place = places.enter(claimant).await.map_err(|away| {
            let refused = match away {
                TurnedAway::OwnShare => Refused::new(429, "slow_down", away.to_string()),
                TurnedAway::Overloaded => {
                    Refused::new(503, "temporarily_unavailable", away.to_string())
                }
            };
            refused.retry_after(1).in_zone(Some(client.zone))
        })?;
        let application = client.application;
        let key = self.prove(extensions, client, &credentials).await?;
        Ok(Admitted {
            application,
            credentials,
            key,
            _place: place,
        })
    }

    async fn authenticate(
        &self,
        extensions: &Extensions,
        headers: &HeaderMap,
        form: &mut Form,
    ) -> Result<(AuthenticatedClient, CallerCredentials), Refused> {
        let credentials = credentials(headers, form).map_err(|refused| {
            // Who shows nothing tries nothing.
            if refused.status == 401 && headers.contains_key(AUTHORIZATION) {
                self.failed(source(extensions), refused)
            } else {
                refused
            }
        })?;
        let named = match &credentials {
            CallerCredentials::Client(client) => Some(client.client_id.clone()),
            CallerCredentials::Assertion(assertion) => assertion.client_id(),
            CallerCredentials::Session(_) | CallerCredentials::Proven(_) => None,
        };
        match self.engine.admit_caller(credentials).await {
            Ok(admitted) => Ok(admitted),
            Err(error @ (IssueError::InvalidClient | IssueError::InvalidAssertion(_))) => {
                let zone = named.and_then(|id| self.engine.find_zone_of_application(&id));
                let refused = self.failed(source(extensions), error.into());
                Err(refused.in_zone(zone))
            }
            // A mandate that was good once is no guess.
            Err(error) => Err(Refused {
                is_recorded: false,
                ..error.into()
            }),
        }
    }

    /// Puts a bad secret down to its source: the refusal, or a shorter one once there were too
    /// many.
    pub(crate) fn failed(&self, source: Option<Source>, refused: Refused) -> Refused {
        match self.limits.bad_secrets.spend(source) {
            Ok(()) => refused,
            Err(over) => Refused::new(429, "slow_down", over.to_string())
                .retry_after(over.retry_after_seconds),
        }
    }
}

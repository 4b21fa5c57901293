//! Which calls go on: those for which there is room.

use caracal_core::{ClientAddress, RefusalCode};
use caracal_engine::Target;
use caracal_limits::{Claimant, Place, Source, TurnedAway};

use crate::Gateway;
use crate::refused::Refused;

/// What a call takes of the server.
pub(crate) struct Places {
    /// Until its answer begins. Held by whoever waits for that.
    pub(crate) waiting: Place,
    /// Until its answer ends, so that long streams do not take the places of short calls.
    pub(crate) open: Place,
}

impl Gateway {
    /// Waits for a place for a call. The mandate was verified before, so that nobody takes room
    /// in another's name.
    ///
    /// # Errors
    /// `rate_limited` when the application or its zone has its share already, `overloaded` when
    /// the server has more calls than it can take.
    pub(crate) async fn take_places(&self, target: &Target) -> Result<Places, Refused> {
        let claimant = Claimant {
            zone: target.zone().uuid().as_u128(),
            application: target.application().uuid().as_u128(),
        };
        let open = self.0.open_calls.try_enter(claimant).map_err(refused)?;
        let waiting = self.0.places.enter(claimant).await.map_err(refused)?;
        Ok(Places { waiting, open })
    }

    /// Puts a bad secret down to its source: the refusal, or a shorter one once there were too
    /// many.
    pub(crate) fn failed(&self, client: ClientAddress, refused: Refused) -> Refused {
        match self.0.bad_secrets.spend(Source::of_client(Some(client))) {
            Ok(()) => refused,
            Err(over) => Refused::code(RefusalCode::RateLimited, over.to_string())
                .retry_after(over.retry_after_seconds),
        }
    }
}

fn refused(away: TurnedAway) -> Refused {
    let code = match away {
        TurnedAway::OwnShare => RefusalCode::RateLimited,
        TurnedAway::Overloaded => RefusalCode::Overloaded,
    };
    Refused::code(code, away.to_string()).retry_after(1)
}

//! How much of the server anybody may take.

use caracal_limits::TurnstileLimits;

use crate::failure::{Failure, Outcome};
use crate::server::settings::SettingsLayer;

/// How much of the server anybody may take; each door gets its part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DoorLimits {
    /// Bad secrets per minute and source; 0: no limit.
    pub(crate) bad_secrets_per_minute: u32,
    /// Calls until their answer begins.
    pub(crate) gateway_places: TurnstileLimits,
    /// Calls until their answer ends.
    pub(crate) gateway_open_calls: TurnstileLimits,
    /// Requests of authenticated clients at the STS.
    pub(crate) sts_places: TurnstileLimits,
}

impl DoorLimits {
    /// What a layer says, and the defaults.
    pub(super) fn of(layer: &SettingsLayer) -> Outcome<Self> {
        let places = |name: &str, said: Option<u32>, default: u32| match said.unwrap_or(default) {
            0 => Err(
                Failure::usage(format!("`{name}` is 0, which lets nothing in"))
                    .hint(format!("leave it out for {default}")),
            ),
            places => Ok(TurnstileLimits::of(places)),
        };
        Ok(Self {
            bad_secrets_per_minute: layer.bad_secrets_per_minute.unwrap_or(120),
            gateway_places: places("gateway_places", layer.gateway_places, 4096)?,
            gateway_open_calls: places("gateway_open_calls", layer.gateway_open_calls, 16_384)?
                .without_queue(),
            sts_places: places("sts_places", layer.sts_places, 512)?,
        })
    }
}

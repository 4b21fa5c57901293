//! Everything that is sealed in a zone.

use caracal_core::{Provider, SealedSecret, Zone};

use crate::view::{Remembered, ZoneView};

/// The seals of a zone's own keys.
pub(super) fn of_zone(zone: &Zone) -> impl Iterator<Item = &SealedSecret> {
    let mandates = zone.mandate_keys.iter().map(|key| &key.private);
    let logs = zone.logs.iter().map(|log| &log.private);
    mandates
        .chain(logs)
        .chain(std::iter::once(&zone.digest_key))
}

/// The seal of a provider's credential.
pub(super) fn of_provider(provider: &Provider) -> Option<&SealedSecret> {
    provider.secret.as_ref()
}

/// The seal of a remembered answer.
pub(super) fn of_answer(remembered: &Remembered) -> &SealedSecret {
    &remembered.answer
}

/// Every seal of a zone.
pub(crate) fn seals_of(view: &ZoneView) -> impl Iterator<Item = &SealedSecret> {
    let providers = view.providers.iter();
    let remembered = view.remembered.values();
    of_zone(&view.zone.value)
        .chain(providers.filter_map(|held| of_provider(&held.value)))
        .chain(remembered.map(|held| of_answer(&held.value)))
}

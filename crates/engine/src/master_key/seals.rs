//! Everything that is sealed in a zone.

use caracal_core::{Approval, Provider, SealedSecret, Sink, Zone};
use caracal_crypto::Keyring;

use crate::provider_seal::provider_context;
use crate::sinks::sink_context;
use crate::view::{Remembered, ZoneKeys, ZoneView};

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

/// The seals of a sink's secrets.
pub(super) fn of_sink(sink: &Sink) -> impl Iterator<Item = &SealedSecret> {
    let older = sink.older.iter().map(|older| &older.secret);
    sink.secret.iter().chain(older)
}

/// The seal of a remembered answer.
pub(super) fn of_answer(remembered: &Remembered) -> &SealedSecret {
    &remembered.answer
}

/// The seal of what an approver sees.
pub(super) fn of_approval(approval: &Approval) -> &SealedSecret {
    &approval.shown
}

/// Every seal of a zone.
pub(crate) fn seals_of(view: &ZoneView) -> impl Iterator<Item = &SealedSecret> {
    let providers = view.providers.iter();
    let remembered = view.remembered.by_age().map(|(_, held)| held);
    of_zone(&view.zone.value)
        .chain(providers.filter_map(|held| of_provider(&held.value)))
        .chain(view.sinks.iter().flat_map(|held| of_sink(&held.value)))
        .chain(remembered.map(|held| of_answer(&held.value)))
        .chain(view.approvals.iter().map(|held| of_approval(&held.value)))
}

/// What is sealed in a zone under an older key and does not open, since its bytes were damaged;
/// in words, one for each.
pub(super) fn damaged_in(view: &ZoneView, ring: &Keyring) -> Vec<String> {
    let zone = &view.zone.value;
    let is_damaged = |sealed: &SealedSecret, context: &_| {
        !ring.is_current(sealed) && ring.open(sealed, context).is_err()
    };
    let mut damaged = Vec::new();
    for held in view.providers.iter() {
        let context = provider_context(zone.id, &held.value);
        if of_provider(&held.value).is_some_and(|sealed| is_damaged(sealed, &context)) {
            let (zone, name) = (&zone.name, &held.value.name);
            damaged.push(format!("the credential of the provider `{zone}/{name}`"));
        }
    }
    for held in view.sinks.iter() {
        let context = sink_context(zone.id, &held.value);
        if of_sink(&held.value).any(|sealed| is_damaged(sealed, &context)) {
            let (zone, name) = (&zone.name, &held.value.name);
            damaged.push(format!("the secret of the sink `{zone}/{name}`"));
        }
    }
    let context = ZoneKeys::context(zone.id, "idempotency");
    for (_, held) in view.remembered.by_age() {
        if is_damaged(of_answer(&held.value), &context) {
            let name = &zone.name;
            damaged.push(format!(
                "an answer remembered for a day in the zone `{name}`"
            ));
        }
    }
    let context = ZoneKeys::context(zone.id, "approval");
    for held in view.approvals.iter() {
        if is_damaged(of_approval(&held.value), &context) {
            damaged.push(format!("what `{}` shows its approver", held.value.id));
        }
    }
    damaged
}

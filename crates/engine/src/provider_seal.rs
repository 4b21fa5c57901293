//! What the seal of a provider's secret is bound to.

use caracal_core::{Provider, ZoneId};
use caracal_crypto::SealContext;

/// The zone, the provider and exactly its allowed hosts: a sealed secret that is copied to
/// another provider, or whose hosts are edited, cannot be opened.
pub(crate) fn provider_context(zone: ZoneId, provider: &Provider) -> SealContext {
    SealContext::new(zone, &format!("provider:{}", provider.id)).with_hosts(&provider.allowed_hosts)
}

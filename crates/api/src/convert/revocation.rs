//! Revocations and their receipts.

use caracal_core::Revocation;
use caracal_engine::{RevocationReceipt as Receipt, Versioned};
use caracal_wire::{RevocationConfirmation, RevocationReceipt, RevocationView};

pub(crate) fn revocation_view(held: Versioned<Revocation>) -> RevocationView {
    let Versioned { version, value } = held;
    RevocationView {
        id: value.id.to_string(),
        noun: value.anchor.noun().to_owned(),
        anchor: value.anchor.to_string(),
        is_final: value.anchor.is_final(),
        version: version.0,
        created_at: value.created_at,
        reason: value.reason,
        lifted_at: value.lifted_at,
    }
}

/// The receipt; a dry run is confirmed by nobody.
pub(crate) fn receipt_view(receipt: Receipt, dry_run: bool) -> RevocationReceipt {
    let confirmed = receipt.confirmed_by.into_iter().filter(|_| !dry_run);
    RevocationReceipt {
        id: receipt.id.to_string(),
        revision: receipt.revision.0,
        confirmed_by: confirmed
            .map(|node| RevocationConfirmation {
                node: node.node.to_string(),
                elapsed_ms: node.elapsed_ms,
            })
            .collect(),
        expired_leases: receipt
            .expired_leases
            .iter()
            .map(ToString::to_string)
            .collect(),
        elapsed_ms: receipt.elapsed_ms,
        revoked: receipt.revoked,
        streams_cut: receipt.streams_cut,
    }
}

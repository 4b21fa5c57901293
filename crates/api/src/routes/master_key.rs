//! The master key of the instance.

use axum::Json;
use axum::extract::State;
use caracal_engine::MasterKeyStatus;
use caracal_wire::{MasterKeyView, OlderMasterKey, PendingZone};

use crate::Api;
use crate::extract::{Reading, Writing};
use crate::refusal::Refusal;

/// Tells which master key seals and what is still sealed under an older one.
#[utoipa::path(get, path = "/v1/master-key", tag = "instance", operation_id = "getMasterKey",
    security(("operator" = ["auditor"])), responses((status = 200, body = MasterKeyView)))]
pub(super) async fn get(
    State(api): State<Api>,
    Reading(admin): Reading,
) -> Result<Json<MasterKeyView>, Refusal> {
    Ok(Json(view(api.engine().master_key_status(&admin)?)))
}

/// Makes a new master key in the key file. It seals at once; what is sealed under the old one is
/// sealed again in the background.
#[utoipa::path(post, path = "/v1/master-key", tag = "instance",
    operation_id = "rotateMasterKey", security(("operator" = ["owner"])),
    responses((status = 200, body = MasterKeyView)))]
pub(super) async fn rotate(
    State(api): State<Api>,
    Writing(admin): Writing,
) -> Result<Json<MasterKeyView>, Refusal> {
    Ok(Json(view(api.engine().rotate_master_key(&admin).await?)))
}

fn view(status: MasterKeyStatus) -> MasterKeyView {
    let is_settled = status.settled_at.is_some();
    MasterKeyView {
        id: status.id,
        place: status.place,
        can_rotate: status.can_rotate,
        since: status.since,
        sealed: status.sealed,
        pending: status.pending,
        zones: status
            .zones
            .into_iter()
            .map(|(name, pending)| PendingZone {
                name: name.to_string(),
                pending,
            })
            .collect(),
        damaged: status.damaged,
        older: status
            .older
            .into_iter()
            .map(|key| OlderMasterKey {
                removable: key.sealed == 0 && is_settled,
                id: key.id,
                sealed: key.sealed,
            })
            .collect(),
        settled_at: status.settled_at,
    }
}

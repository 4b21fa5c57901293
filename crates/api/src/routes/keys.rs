//! The keys that sign mandates.

use axum::Json;
use axum::extract::{Path, State};
use caracal_engine::{AdminError, KeyInfo};
use caracal_wire::{KeyView, Page};

use crate::Api;
use crate::extract::{Reading, Writing};
use crate::refusal::Refusal;

/// Lists the keys of a zone, newest first.
#[utoipa::path(get, path = "/v1/zones/{zone}/keys", tag = "keys",
    operation_id = "listKeys", security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<KeyView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Reading(admin): Reading,
) -> Result<Json<Page<KeyView>>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    Ok(page(api.engine().list_keys(zone, &admin)?))
}

/// Makes a new key: published at once, signing two minutes later. The old one verifies until
/// its last mandate has expired.
#[utoipa::path(post, path = "/v1/zones/{zone}/keys", tag = "keys",
    operation_id = "rotateKey", security(("operator" = ["owner"])),
    responses((status = 200, body = Page<KeyView>)))]
pub(super) async fn rotate(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Writing(admin): Writing,
) -> Result<Json<Page<KeyView>>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    Ok(page(api.engine().rotate_key(zone, &admin).await?))
}

/// Drops a key at once: every mandate that it signed is invalid from now on.
#[utoipa::path(delete, path = "/v1/zones/{zone}/keys/{key}", tag = "keys",
    operation_id = "dropKey", security(("operator" = ["owner"])),
    responses((status = 200, body = Page<KeyView>)))]
pub(super) async fn drop_key(
    State(api): State<Api>,
    Path((zone, key)): Path<(String, String)>,
    Writing(admin): Writing,
) -> Result<Json<Page<KeyView>>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let id = key
        .parse()
        .map_err(|_| AdminError::not_found("key", &key))?;
    Ok(page(api.engine().drop_key(zone, &admin, id).await?))
}

fn page(keys: Vec<KeyInfo>) -> Json<Page<KeyView>> {
    let view = |key: KeyInfo| KeyView {
        id: key.id.to_string(),
        state: key.state,
        created_at: key.created_at,
        signs_from: key.signs_from,
    };
    Json(Page {
        items: keys.into_iter().map(view).collect(),
        next_cursor: None,
    })
}

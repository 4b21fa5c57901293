//! The digest that stands in evidence for everything that was asked for.

use caracal_core::ApplicationId;

use super::IssueRequest;
use crate::view::ZoneView;

pub(super) fn digest_of_issue(
    view: &ZoneView,
    application: ApplicationId,
    request: &IssueRequest,
) -> String {
    let inputs = serde_json::json!({
        "application": application,
        "resource": request.resources,
        "scope": request.scope,
        "authorization_details": request.authorization_details,
        "ttl_seconds": request.ttl_seconds,
        "session_id": request.session_id,
        "delegation_id": request.delegation_id,
        "approval_id": request.approval_id,
    });
    let digest = caracal_crypto::keyed_digest(&view.keys.digest, inputs.to_string().as_bytes());
    caracal_crypto::hex(&digest)
}

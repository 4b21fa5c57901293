//! The digest that stands in evidence for a whole call.

use caracal_core::MandateId;
use serde::Serialize;

use super::CallRequest;
use crate::verify::OpenedMandate;
use crate::view::ZoneView;

/// What the digest of a call covers, as JSON with its fields in order.
#[derive(Serialize)]
struct CallInputs<'r> {
    mandate: MandateId,
    method: &'r str,
    path: String,
    query: &'r [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'r str>,
}

pub(super) fn digest_of_call(
    view: &ZoneView,
    opened: &OpenedMandate,
    request: &CallRequest<'_>,
) -> String {
    let claims = opened.claims();
    let inputs = CallInputs {
        mandate: claims.jti,
        method: request.method,
        path: request.path.to_string(),
        query: &request.query,
        host: request.host,
        tool: request.tool,
    };
    // Texts and lists of texts can always be written.
    let inputs = serde_json::to_vec(&inputs).unwrap_or_default();
    caracal_crypto::hex(&caracal_crypto::keyed_digest(&view.keys.digest, &inputs))
}

//! "Can X do Y?"

use axum::Json;
use axum::extract::{Path, State};
use caracal_wire::{DecisionExplanation, ExplainBody};

use crate::Api;
use crate::convert::{decision_view, explain_request};
use crate::extract::WritingBody;
use crate::refusal::Refusal;

/// Asks the active policies, and tells what each says. Nothing is decided and nothing recorded.
#[utoipa::path(post, path = "/v1/zones/{zone}/explain", tag = "policies",
    operation_id = "explainDecision", request_body = ExplainBody,
    security(("operator" = ["viewer"])), responses((status = 200, body = DecisionExplanation)))]
pub(super) async fn explain(
    State(api): State<Api>,
    Path(zone): Path<String>,
    WritingBody(admin, body): WritingBody<ExplainBody>,
) -> Result<Json<DecisionExplanation>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let asked = explain_request(&body)?;
    let explanation = api.engine().explain_decision(zone, &admin, &asked)?;
    Ok(Json(decision_view(&explanation)))
}

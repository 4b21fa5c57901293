//! Explanations and proofs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use caracal_engine::{
    AdminError, Effect, EventExplanation as Explained, EventProof as Proof, ExplainRequest,
    ExplainedRequest, Explanation, HeadPart, Status,
};
use caracal_wire::{
    DecisionExplanation, EventExplanation, EventProof, ExplainBody, ExplainedPolicy,
    ExplainedStatement, GateView, NearMissView,
};
use percent_encoding::percent_decode_str;

use super::Fields;

/// The question to the policies.
///
/// # Errors
/// With every wrong field.
pub(crate) fn explain_request(body: &ExplainBody) -> Result<ExplainRequest, AdminError> {
    let mut fields = Fields::default();
    let application = fields.parse("application", &body.application);
    let resource = fields.parse("resource", &body.resource);
    let request = match (&body.method, &body.path, &body.query) {
        (None, None, None) => None,
        (Some(method), Some(path), query) => Some(ExplainedRequest {
            // Policies see HEAD as GET.
            method: if method == "HEAD" { "GET" } else { method }.to_owned(),
            path: path.clone(),
            query: pairs(query.as_deref().unwrap_or_default()),
        }),
        (method, _, _) => {
            let field = if method.is_none() { "method" } else { "path" };
            fields.wrong(field, "a request needs both `method` and `path`");
            None
        }
    };
    let both = application.zip(resource);
    fields.finish(both.map(|(application, resource)| ExplainRequest {
        application,
        resource,
        scope: body.scope.clone(),
        request,
    }))
}

/// Decoded `name=value` pairs, as policies see them.
fn pairs(query: &str) -> Vec<String> {
    let decode = |text: &str| {
        let plain = text.replace('+', " ");
        percent_decode_str(&plain).decode_utf8_lossy().into_owned()
    };
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            format!("{}={}", decode(name), decode(value))
        })
        .collect()
}

fn status_word(status: &Status) -> (&'static str, Option<String>) {
    match status {
        Status::Permits => ("permits", None),
        Status::Forbids => ("forbids", None),
        Status::ConditionNotMet => ("condition_not_met", None),
        Status::Fault(why) => ("fault", Some(why.clone())),
        Status::Deferred => ("deferred", None),
    }
}

fn part_word(part: HeadPart) -> &'static str {
    match part {
        HeadPart::Principal => "principal",
        HeadPart::Action => "action",
        HeadPart::Resource => "resource",
    }
}

pub(crate) fn decision_view(explanation: &Explanation) -> DecisionExplanation {
    let (decision, reason) = match explanation.answer.effect {
        Effect::Allow => ("allow", None),
        Effect::Hold => ("hold", None),
        Effect::Deny(reason) => ("deny", Some(reason.as_str().to_owned())),
    };
    let line = |line: usize| u64::try_from(line).unwrap_or(u64::MAX);
    DecisionExplanation {
        reason,
        decision: decision.to_owned(),
        policies: explanation
            .answer
            .determining
            .iter()
            .map(ToString::to_string)
            .collect(),
        statements: explanation
            .statements
            .iter()
            .map(|statement| {
                let (status, detail) = status_word(&statement.status);
                ExplainedStatement {
                    policy: statement.policy.to_string(),
                    line: line(statement.line),
                    status: status.to_owned(),
                    detail,
                }
            })
            .collect(),
        near_misses: explanation
            .near_misses
            .iter()
            .map(|miss| NearMissView {
                policy: miss.policy.to_string(),
                line: line(miss.line),
                forbids: miss.forbids,
                part: part_word(miss.part).to_owned(),
                wanted: miss.wanted.clone(),
            })
            .collect(),
    }
}

pub(crate) fn event_explanation(explained: Explained) -> EventExplanation {
    let json = |event| serde_json::to_value(event).unwrap_or_default();
    EventExplanation {
        event: json(&explained.event),
        gates: explained
            .gates
            .into_iter()
            .map(|gate| GateView {
                gate: gate.gate,
                outcome: gate.outcome,
                detail: Some(gate.detail).filter(|detail| !detail.is_empty()),
            })
            .collect(),
        policies: explained
            .policies
            .into_iter()
            .map(|policy| ExplainedPolicy {
                name: policy.name.to_string(),
                cedar: Some(policy.cedar),
            })
            .collect(),
        related: explained.related.iter().map(json).collect(),
    }
}

pub(crate) fn event_proof(proof: Proof) -> EventProof {
    EventProof {
        log: proof.log.to_string(),
        index: proof.proof.index,
        leaf: proof.proof.leaf.to_base64(),
        checkpoint: proof.checkpoint,
        verifier: proof.verifier,
        size: proof.proof.size,
        hashes: proof
            .proof
            .hashes
            .iter()
            .map(|hash| STANDARD.encode(hash))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_as_policies_see_it() {
        assert_eq!(pairs("a=b%20c&d+e&&x=1=2"), ["a=b c", "d e=", "x=1=2"]);
    }
}

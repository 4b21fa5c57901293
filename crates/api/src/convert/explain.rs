//! Explanations and proofs.

use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use caracal_engine::{
    AdminError, EventExplanation as Explained, EventProof as Proof, ExplainRequest,
    ExplainedRequest, Explanation,
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

/// The word of a plain enum's variant, and what it carries. The engine hands these enums out
/// without their names, so their derived text is what the door can see of them.
fn word(value: &impl Debug) -> (String, Option<String>) {
    let text = format!("{value:?}");
    let (variant, detail) = match text.split_once('(') {
        Some((variant, rest)) => (variant, rest.strip_suffix(')').map(str::to_owned)),
        None => (text.as_str(), None),
    };
    let mut word = String::new();
    for (i, c) in variant.chars().enumerate() {
        if c.is_ascii_uppercase() && i > 0 {
            word.push('_');
        }
        word.push(c.to_ascii_lowercase());
    }
    (word, detail)
}

pub(crate) fn decision_view(explanation: &Explanation) -> DecisionExplanation {
    let (decision, reason) = word(&explanation.answer.effect);
    let line = |line: usize| u64::try_from(line).unwrap_or(u64::MAX);
    DecisionExplanation {
        reason: reason.map(|reason| match reason.as_str() {
            "NoPermit" => "no_permit".to_owned(),
            "Fault" => "policy_fault".to_owned(),
            other => other.to_ascii_lowercase(),
        }),
        decision,
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
                let (status, detail) = word(&statement.status);
                ExplainedStatement {
                    policy: statement.policy.to_string(),
                    line: line(statement.line),
                    status,
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
                part: word(&miss.part).0,
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
                detail: Some(gate.detail),
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
    fn variants_become_words() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "read through Debug")]
        enum Sample {
            ConditionNotMet,
            Fault(String),
        }
        assert_eq!(
            word(&Sample::ConditionNotMet),
            ("condition_not_met".to_owned(), None)
        );
        let (word, detail) = word(&Sample::Fault("x (y)".to_owned()));
        assert_eq!(
            (word.as_str(), detail.as_deref()),
            ("fault", Some("\"x (y)\""))
        );
    }

    #[test]
    fn a_query_is_decoded_as_policies_see_it() {
        assert_eq!(pairs("a=b%20c&d+e&&x=1=2"), ["a=b c", "d e=", "x=1=2"]);
    }
}

//! An event as a line for people.

use serde_json::Value;

/// The headings of [`cells`].
pub(crate) const HEADINGS: &[&str] = &["TIME", "TYPE", "DECISION", "WHAT", "WHY", "ID"];

/// The cells of an event.
pub(crate) fn cells(event: &Value) -> Vec<String> {
    let time = text(event, "time");
    // Whole seconds are enough to read; the JSON has everything.
    let time = time
        .get(..19)
        .map_or(time.clone(), |whole| format!("{whole}Z"));
    vec![
        time,
        text(event, "type"),
        text(event, "decision"),
        what(event),
        why(event),
        text(event, "id"),
    ]
}

fn text(event: &Value, field: &str) -> String {
    event
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn what(event: &Value) -> String {
    let operation = event.get("operation");
    let part = |field| {
        operation
            .and_then(|o| o.get(field))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let scopes = event.get("scopes").map(list).unwrap_or_default();
    let named = text(event, "target_name");
    let target = if named.is_empty() {
        text(event, "target")
    } else {
        named
    };
    let version = text(event, "policy_version");
    // The policies say more, where there are some.
    let version = if event.get("type").and_then(Value::as_str) == Some("policy.activated") {
        version
    } else {
        String::new()
    };
    let status = event
        .get("status")
        .and_then(Value::as_u64)
        .map(|s| s.to_string())
        .unwrap_or_default();
    let named = |word: &str, value: String| match value.as_str() {
        "" => value,
        value => format!("{word} {value}"),
    };
    let delegations = event.get("delegations").map(list).unwrap_or_default();
    let parts = [
        text(event, "resource"),
        part("method").to_owned(),
        part("path").to_owned(),
        scopes,
        target,
        version,
        status,
        text(event, "session"),
        named("under", text(event, "parent")),
        named("by", delegations),
    ];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn why(event: &Value) -> String {
    let policies = event
        .get("policies")
        .map(list)
        .filter(|names| !names.is_empty());
    let reason = Some(text(event, "reason")).filter(|reason| !reason.is_empty());
    [reason, policies.map(|names| format!("policy {names}"))]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

/// A list of texts, or one text of several words.
fn list(value: &Value) -> String {
    match value {
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(" "),
        Value::String(text) => text.clone(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_reads_as_a_sentence() {
        let event = json!({"id": "evt_1", "time": "2026-11-23T04:43:10.123Z", "type": "call.denied", "decision": "deny",
            "resource": "resource://openai", "operation": {"method": "POST", "path": "/v1/chat/**"},
            "scopes": ["openai:chat"], "reason": "policy_denied", "policies": ["anton"]});
        assert_eq!(
            cells(&event),
            [
                "2026-11-23T04:43:10Z",
                "call.denied",
                "deny",
                "resource://openai POST /v1/chat/** openai:chat",
                "policy_denied, policy anton",
                "evt_1"
            ]
        );
    }

    #[test]
    fn it_tells_on_whose_behalf_something_was_done() {
        let event = json!({"type": "mandate.issued", "resource": "resource://items", "session": "ses_2",
            "parent": "ses_1", "delegations": ["dlg_1", "dlg_2"]});
        assert_eq!(
            cells(&event)[3],
            "resource://items ses_2 under ses_1 by dlg_1 dlg_2"
        );
    }
}

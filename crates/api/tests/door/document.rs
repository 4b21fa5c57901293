//! The document says what the door does.

use std::collections::BTreeSet;

use serde_json::Value;

fn refs<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "$ref" => {
                        found.insert(text);
                    }
                    value => refs(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| refs(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = caracal_api::document("1.2.3");
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["info"]["version"], "1.2.3");
    let mut found = BTreeSet::new();
    refs(&document, &mut found);
    assert!(found.len() > 30, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }
}

#[test]
fn every_operation_says_what_it_takes_and_who_may() {
    let document = caracal_api::document("1.2.3");
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(!path.contains('*'), "{path}");
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "{id} is used twice");
            assert!(operation["summary"].is_string(), "{id} has no summary");
            assert!(
                operation["security"].is_array(),
                "{id} does not say who may"
            );
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses.contains_key("default") && responses.len() > 1,
                "{id}"
            );
            assert!(
                responses.values().all(|r| r["description"].is_string()),
                "{id}"
            );
            let parameters = operation["parameters"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let mut named = BTreeSet::new();
            for parameter in &parameters {
                let place = (
                    parameter["in"].as_str().unwrap(),
                    parameter["name"].as_str().unwrap(),
                );
                assert!(named.insert(place), "{id}: {place:?} twice");
            }
            let slots = path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            for slot in slots.clone() {
                assert!(
                    named.contains(&("path", slot)),
                    "{id} does not declare `{slot}`"
                );
            }
            let declared = named.iter().filter(|(place, _)| *place == "path").count();
            assert_eq!(declared, slots.count(), "{id}");
            let writes = method != "get";
            assert_eq!(named.contains(&("query", "dry_run")), writes, "{id}");
            assert_eq!(
                named.contains(&("header", "Idempotency-Key")),
                writes,
                "{id}"
            );
        }
    }
}

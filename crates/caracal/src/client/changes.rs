//! What an apply changes, field by field, for people.

use caracal_wire::{AppliedChange, ChangedField};
use serde_json::Value;

use crate::table::plain;

/// The longest value that stands on the line of its field, in characters.
const ON_LINE: usize = 80;

/// The lines of one change; with `fields` also what differs.
pub(crate) fn text(change: &AppliedChange, fields: bool) -> String {
    let sign = match change.action.as_str() {
        "create" => "+",
        "delete" => "-",
        "activate" => ">",
        _ => "~",
    };
    let mut text = format!(
        "{sign} {} {} {}\n",
        plain(&change.action),
        plain(&change.noun),
        plain(&change.name)
    );
    if !fields || change.action == "delete" {
        return text;
    }
    for field in &change.fields {
        text.push_str(&of_field(field));
    }
    if let Some(secret) = &change.secret {
        text.push_str(&format!("    secret: {}\n", plain(secret)));
    }
    text
}

fn of_field(field: &ChangedField) -> String {
    let name = plain(&field.field);
    let (before, after) = (field.before.as_ref(), field.after.as_ref());
    let (was, is) = (lines_of(before), lines_of(after));
    let length = |lines: &[String]| lines.iter().map(|line| line.chars().count()).sum::<usize>();
    if was.len() <= 1 && is.len() <= 1 && length(&was) + length(&is) <= ON_LINE {
        let (was, is) = (was.concat(), is.concat());
        return match (before, after) {
            (None, _) => format!("    {name}: {is}\n"),
            (_, None) => format!("    {name}: {was} → not set\n"),
            _ => format!("    {name}: {was} → {is}\n"),
        };
    }
    // What is alike at both ends is left out.
    let same = |pair: &(&String, &String)| pair.0 == pair.1;
    let head = was.iter().zip(&is).take_while(same).count();
    let rest = was.len().min(is.len()).saturating_sub(head);
    let tail = was
        .iter()
        .rev()
        .zip(is.iter().rev())
        .take(rest)
        .take_while(same)
        .count();
    let middle = |lines: &[String], sign: &str| {
        let count = lines.len().saturating_sub(head + tail);
        let lines = lines.iter().skip(head).take(count);
        lines
            .map(|line| format!("      {sign} {line}\n"))
            .collect::<String>()
    };
    format!("    {name}:\n{}{}", middle(&was, "-"), middle(&is, "+"))
}

/// A value as lines: a list of objects by its items, a text by its lines.
fn lines_of(value: Option<&Value>) -> Vec<String> {
    match value {
        None => Vec::new(),
        Some(Value::String(text)) => text.lines().map(plain).collect(),
        Some(Value::Array(items)) if items.iter().any(Value::is_object) => {
            items.iter().map(flow).collect()
        }
        Some(other) => vec![flow(other)],
    }
}

/// A value on one line, as in a zone file.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| format!("{}: {}", plain(name), flow(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(fields: &[(&str, Option<Value>, Option<Value>)]) -> AppliedChange {
        AppliedChange {
            action: "update".to_owned(),
            noun: "resource".to_owned(),
            name: "r".to_owned(),
            fields: fields
                .iter()
                .cloned()
                .map(|(field, before, after)| ChangedField {
                    field: field.to_owned(),
                    before,
                    after,
                })
                .collect(),
            secret: None,
        }
    }

    #[test]
    fn every_kind_of_field_is_told() {
        let rule = |path: &str| json!({"method": "GET", "path": path, "scope": "s"});
        let told = text(
            &change(&[
                ("cookies", Some(json!("drop")), Some(json!("pass"))),
                ("max_stream_seconds", None, Some(json!(7))),
                ("provider", Some(json!("p")), None),
                ("scopes", Some(json!(["a"])), Some(json!(["a", "b"]))),
                (
                    "operations",
                    Some(json!([rule("/a"), rule("/b"), rule("/c")])),
                    Some(json!([rule("/a"), rule("/x"), rule("/c")])),
                ),
                (
                    "policies.p",
                    Some(json!("permit (\n  principal);\n")),
                    Some(json!("permit (\n  action);\n")),
                ),
            ]),
            true,
        );
        assert_eq!(
            told,
            "~ update resource r\n    cookies: drop → pass\n    max_stream_seconds: 7\n    \
             provider: p → not set\n    scopes: [a] → [a, b]\n    operations:\n      \
             - { method: GET, path: /b, scope: s }\n      + { method: GET, path: /x, scope: s }\n    \
             policies.p:\n      -   principal);\n      +   action);\n"
        );
    }

    #[test]
    fn a_secret_is_a_word_and_a_terminal_is_not_commanded() {
        let mut changed = change(&[("upstream", None, Some(json!("https://\u{1b}[2J")))]);
        changed.secret = Some("changed".to_owned());
        let told = text(&changed, true);
        assert!(
            told.contains("    secret: changed\n") && !told.contains('\u{1b}'),
            "{told}"
        );
        assert_eq!(text(&changed, false), "~ update resource r\n");
    }
}

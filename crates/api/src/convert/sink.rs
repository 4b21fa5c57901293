//! Sinks and deliveries.

use caracal_core::{Delivery, Secret, Sink, SinkEvent, SinkKind};
use caracal_engine::{SinkSpec, Versioned};
use caracal_wire::{DeliveryView, SinkBody, SinkEntry, SinkView};

use super::Fields;

pub(crate) fn sink_spec(body: &SinkBody, at: &str, fields: &mut Fields) -> Option<SinkSpec> {
    let kind = match (body.kind.as_str(), &body.url) {
        ("webhook", Some(url)) => Some(SinkKind::Webhook { url: url.clone() }),
        ("webhook", None) => {
            fields.wrong(format!("{at}url"), "a sink of kind `webhook` needs a `url`");
            None
        }
        ("slack", None) => Some(SinkKind::Slack),
        ("slack", Some(_)) => {
            let why = "the url of a sink of kind `slack` is its secret";
            fields.wrong_with_hint(format!("{at}url"), why, "give it as `secret`");
            None
        }
        _ => {
            let why = "this kind of sink is unknown";
            fields.wrong_with_hint(format!("{at}kind"), why, "use `webhook` or `slack`");
            None
        }
    };
    let events = match &body.events {
        None => vec![SinkEvent::Requested],
        Some(events) => fields.parse_all(&format!("{at}events"), events),
    };
    let name = fields.parse(format!("{at}name"), &body.name);
    let secret = body.secret.as_ref();
    Some(SinkSpec {
        name: name?,
        kind: kind?,
        secret: secret.map(|secret| Secret::new(secret.expose().as_bytes().to_vec())),
        events: events.into_iter().collect(),
        include_request: body.include_request,
        allow_private: body.allow_private,
    })
}

fn url_of(kind: &SinkKind) -> Option<String> {
    match kind {
        SinkKind::Webhook { url } => Some(url.clone()),
        SinkKind::Slack => None,
    }
}

fn events_of(sink: &Sink) -> Vec<String> {
    sink.events.iter().map(ToString::to_string).collect()
}

pub(crate) fn sink_view(held: Versioned<Sink>) -> SinkView {
    let Versioned { version, value } = held;
    SinkView {
        id: value.id.to_string(),
        name: value.name.to_string(),
        version: version.0,
        created_at: value.created_at,
        kind: value.kind.as_str().to_owned(),
        url: url_of(&value.kind),
        events: events_of(&value),
        include_request: value.include_request,
        allow_private: value.allow_private,
        older_secret_until: value.older.map(|older| older.until),
    }
}

/// The sink in an exported file: its secret is left out.
pub(crate) fn sink_entry(value: &Sink) -> SinkEntry {
    SinkEntry {
        name: value.name.to_string(),
        kind: value.kind.as_str().to_owned(),
        url: url_of(&value.kind),
        secret: None,
        events: Some(events_of(value)),
        include_request: value.include_request,
        allow_private: value.allow_private,
    }
}

pub(crate) fn delivery_view(value: Delivery) -> DeliveryView {
    DeliveryView {
        id: value.id.to_string(),
        sink: value.sink.to_string(),
        sink_name: value.sink_name.to_string(),
        event: value.event.to_string(),
        approval: value.approval.map(|id| id.to_string()),
        status: value.status.as_str().to_owned(),
        attempts: value.attempts,
        http_status: value.http_status,
        why: value.why,
        at: value.at,
    }
}

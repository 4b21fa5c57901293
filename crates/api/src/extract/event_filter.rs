//! Which events.

use caracal_core::{ApplicationId, Decision, ResourceIdentifier, ZoneId};
use caracal_engine::{Admin, Engine, Query};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::check_limit;
use crate::cursor;
use crate::refusal::Refusal;

/// The kind of the cursors of events.
pub(crate) const KIND: &str = "event";

/// Which events. All given conditions must hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventFilter {
    /// Only the event with this id.
    id: Option<String>,
    /// Only events of this request.
    request_id: Option<String>,
    /// Only events of this type, such as `call.denied`.
    #[serde(rename = "type")]
    event_type: Option<String>,
    /// Only events with this decision: `allow`, `deny` or `hold`.
    decision: Option<String>,
    /// Only events of this application, by id or name.
    application: Option<String>,
    /// Only events of this session.
    session: Option<String>,
    /// Only events of this mandate.
    mandate: Option<String>,
    /// Only events of this resource, by identifier or name.
    resource: Option<String>,
    /// Only events at or after this time (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// Only events before this time (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<String>,
    /// True: oldest first; else newest first.
    ascending: bool,
    /// How many, 1 to 1000. Default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl EventFilter {
    /// The search that it stands for. An application's name is looked up as it is now.
    pub(crate) fn query(
        &self,
        engine: &Engine,
        zone: ZoneId,
        admin: &Admin,
    ) -> Result<Query, Refusal> {
        let cursor = cursor::read(KIND, self.cursor.as_deref())?;
        let cursor = cursor
            .map(|key| key.parse())
            .transpose()
            .map_err(|_| Refusal::unreadable("cursor", "this cursor is not from this list"))?;
        Ok(Query {
            zone: Some(zone),
            id: bounded("id", &self.id)?,
            request_id: bounded("request_id", &self.request_id)?,
            event_type: bounded("type", &self.event_type)?,
            decision: self.decision.as_deref().map(decision).transpose()?,
            application: self.application_id(engine, zone, admin)?,
            session: bounded("session", &self.session)?,
            mandate: bounded("mandate", &self.mandate)?,
            resource: self.resource_identifier()?,
            from: time("from", self.from.as_deref())?,
            until: time("until", self.until.as_deref())?,
            cursor,
            ascending: self.ascending,
            limit: check_limit(self.limit)?,
        })
    }

    /// True when it names a page, which a live feed has none of.
    pub(crate) fn names_a_page(&self) -> bool {
        self.limit.is_some() || self.cursor.is_some() || self.ascending
    }

    fn application_id(
        &self,
        engine: &Engine,
        zone: ZoneId,
        admin: &Admin,
    ) -> Result<Option<String>, Refusal> {
        let Some(text) = bounded("application", &self.application)? else {
            return Ok(None);
        };
        // An id may be that of an application that is gone; its events are still there.
        if text.parse::<ApplicationId>().is_ok() {
            return Ok(Some(text));
        }
        let found = engine.get_application(zone, admin, &text);
        let found = found.map_err(|error| Refusal::unreadable("application", error.to_string()))?;
        Ok(Some(found.value.id.to_string()))
    }

    fn resource_identifier(&self) -> Result<Option<String>, Refusal> {
        let Some(text) = &self.resource else {
            return Ok(None);
        };
        let identifier = match text.parse::<ResourceIdentifier>() {
            Ok(identifier) => Ok(identifier),
            Err(_) => text.parse().map(ResourceIdentifier::new),
        };
        identifier
            .map(|identifier| Some(identifier.to_string()))
            .map_err(|error| Refusal::unreadable("resource", error.to_string()))
    }
}

fn bounded(field: &str, text: &Option<String>) -> Result<Option<String>, Refusal> {
    let plain = |text: &String| {
        (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    };
    match text {
        Some(text) if !plain(text) => {
            let why = "use 1 to 128 visible ASCII characters";
            Err(Refusal::unreadable(field, why))
        }
        text => Ok(text.clone()),
    }
}

fn decision(text: &str) -> Result<Decision, Refusal> {
    [Decision::Allow, Decision::Deny, Decision::Hold]
        .into_iter()
        .find(|decision| decision.as_str() == text)
        .ok_or_else(|| Refusal::unreadable("decision", "use `allow`, `deny` or `hold`"))
}

fn time(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, Refusal> {
    text.map(|text| text.parse::<Timestamp>())
        .transpose()
        .map_err(|_| Refusal::unreadable(field, "use a time such as `2026-01-31T12:00:00Z`"))
}

//! The canonical bytes of an event, written field by field.
//!
//! Every call pays for two of them, and serde's way through keys and ids took a tenth of what
//! deciding and recording a call take. A property test holds this to a library that knows the
//! standard.

use caracal_core::Event;
use serde::Serialize;
use uuid::Uuid;

/// Writes the event, up to where its index goes, and what comes after that. Its own log and index
/// are not looked at: `log` is written instead.
///
/// # Errors
/// When a value cannot be written as JSON.
pub(super) fn write(
    event: &Event,
    log: &caracal_core::LogId,
    before: &mut Vec<u8>,
    after: &mut Vec<u8>,
) -> serde_json::Result<()> {
    // Taken apart, so that no field can be forgotten.
    let Event {
        application,
        approval,
        counts,
        decision,
        delegations,
        id,
        index: _,
        inputs_digest,
        latency_ms,
        log: _,
        mandate,
        node,
        operation,
        operator,
        parent,
        policies,
        policy_version,
        pruned,
        reason,
        request_id,
        resource,
        resources,
        revision,
        scopes,
        service,
        session,
        since,
        status,
        subject,
        target,
        target_name,
        time,
        trace_id,
        event_type,
        v,
        zone,
    } = event;
    let mut object = Object::begin(before);
    object.any_id("application", application, |id| ("app_", id.uuid()));
    object.any_id("approval", approval, |id| ("apr_", id.uuid()));
    object.any("counts", counts)?;
    object.any("decision", decision)?;
    object.any("delegations", delegations)?;
    object.id("id", "evt_", id.uuid());
    object.key("index");

    let mut object = Object::go_on(after);
    object.any("inputs_digest", inputs_digest)?;
    object.any("latency_ms", latency_ms)?;
    object.id("log", "log_", log.uuid());
    object.any_id("mandate", mandate, |id| ("mnd_", id.uuid()));
    object.id("node", "node_", node.uuid());
    object.any("operation", operation)?;
    object.any("operator", operator)?;
    object.any("parent", parent)?;
    object.any("policies", policies)?;
    object.any("policy_version", policy_version)?;
    object.any("pruned", pruned)?;
    object.any("reason", reason)?;
    object.one("request_id", request_id)?;
    object.any("resource", resource)?;
    object.any("resources", resources)?;
    object.any("revision", revision)?;
    if let Some(scopes) = scopes {
        object.one("scopes", &scopes.iter().collect::<Vec<_>>())?;
    }
    object.any_id("service", service, |id| ("app_", id.uuid()));
    object.any_id("session", session, |id| ("ses_", id.uuid()));
    object.any("since", since)?;
    object.any("status", status)?;
    object.any_id("subject", subject, |id| ("sub_", id.uuid()));
    object.any("target", target)?;
    object.any("target_name", target_name)?;
    object.one("time", time)?;
    object.any("trace_id", trace_id)?;
    object.one("type", event_type)?;
    object.one("v", v)?;
    object.id("zone", "zone_", zone.uuid());
    after.push(b'}');
    Ok(())
}

/// A JSON object of which the keys come in order and need no escapes.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    /// What stands before the next key.
    before: u8,
}

impl<'o> Object<'o> {
    fn begin(out: &'o mut Vec<u8>) -> Self {
        Self { out, before: b'{' }
    }

    fn go_on(out: &'o mut Vec<u8>) -> Self {
        Self { out, before: b',' }
    }

    fn key(&mut self, key: &str) {
        self.out.extend_from_slice(&[self.before, b'"']);
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.before = b',';
    }

    fn id(&mut self, key: &str, prefix: &str, uuid: Uuid) {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(prefix.as_bytes());
        let mut digits = Uuid::encode_buffer();
        let digits = uuid.hyphenated().encode_lower(&mut digits);
        self.out.extend_from_slice(digits.as_bytes());
        self.out.push(b'"');
    }

    fn any_id<T>(&mut self, key: &str, id: &Option<T>, parts: impl Fn(&T) -> (&'static str, Uuid)) {
        if let Some((prefix, uuid)) = id.as_ref().map(parts) {
            self.id(key, prefix, uuid);
        }
    }

    fn one(&mut self, key: &str, value: &impl Serialize) -> serde_json::Result<()> {
        self.key(key);
        serde_json::to_writer(&mut *self.out, value)
    }

    fn any(&mut self, key: &str, value: &Option<impl Serialize>) -> serde_json::Result<()> {
        match value {
            Some(value) => self.one(key, value),
            None => Ok(()),
        }
    }
}

//! Sinks in a plan.

use caracal_core::{
    EventType, Kind, OlderSinkSecret, SealedSecret, Sink, SinkId, SinkKind, Version,
};
use jiff::SignedDuration;

use super::{ChangedObject, Plan, SecretChange};
use crate::sinks::{MAX_SINKS, check_secret, check_url, sink_context};
use crate::view::Stored;
use crate::{AdminError, FieldError, SinkSpec};

impl Plan<'_> {
    /// Creates or changes a sink. Its secret is sealed for the host of its URL, so another host
    /// needs the secret again.
    pub(crate) fn put_sink(&mut self, spec: &SinkSpec) -> Result<(), AdminError> {
        let at = |field: &str| format!("sinks[{}].{field}", spec.name);
        let before = self.errors.len();
        if let SinkKind::Webhook { url } = &spec.kind
            && let Err(error) = check_url("url", url, spec.allow_private)
        {
            self.errors.push(placed(error, at));
        }
        if let Some(secret) = &spec.secret
            && let Err(error) = check_secret(&spec.kind, secret, spec.allow_private)
        {
            self.errors.push(placed(error, at));
        }
        if spec.events.is_empty() {
            let why = "a sink is told of something";
            self.errors.push(FieldError::new(at("events"), why));
        }
        let held = self.sinks.find(spec.name.as_str()).cloned();
        if held.is_none() && self.sinks.len() >= MAX_SINKS {
            let why = format!("at most {MAX_SINKS} in a zone");
            self.errors.push(FieldError::new("sinks", why));
        }
        if self.errors.len() > before {
            return Ok(());
        }
        let now = self.engine.now();
        let old = held.as_ref().map(|held| &held.value);
        let created_at = old.map_or(now, |held| held.created_at);
        let mut value = Sink {
            id: old.map_or_else(|| SinkId::new(now, &self.engine.random()), |held| held.id),
            name: spec.name.clone(),
            created_at,
            // It learns nothing of what was before it asked for it.
            since: old
                .filter(|held| held.events == spec.events)
                .map_or(now, |held| held.since),
            kind: spec.kind.clone(),
            secret: None,
            older: None,
            events: spec.events.clone(),
            include_request: spec.include_request,
            allow_private: spec.allow_private,
        };
        let change = match self.seal_sink(spec, &mut value, old) {
            Ok(change) => change,
            Err(error) => {
                self.errors.push(placed(error, at));
                return Ok(());
            }
        };
        if old.is_some_and(|held| *held == value) {
            return Ok(());
        }
        let version = held.as_ref().map_or(Version::ABSENT, |held| held.version);
        let event = match held {
            Some(_) => EventType::SinkUpdated,
            None => EventType::SinkCreated,
        };
        let (id, name) = (value.id, value.name.clone());
        self.change
            .put(Kind::Sink, id.uuid(), Some(&name), version, &value)?;
        self.note(held.is_some(), "sink", event, &name, id.to_string());
        let before = held.as_ref().map(|held| ChangedObject::sink(&held.value));
        self.detail(before, Some(ChangedObject::sink(&value)));
        if let Some(line) = self.lines.last_mut() {
            line.secret = Some(change);
        }
        let version = version.next();
        self.sinks
            .insert(id.uuid(), name, Stored { version, value });
        Ok(())
    }

    pub(crate) fn delete_sink(&mut self, held: &Stored<Sink>) {
        let id = held.value.id;
        self.change.delete(Kind::Sink, id.uuid(), held.version);
        let name = &held.value.name;
        self.gone("sink", EventType::SinkDeleted, name, id.to_string());
        self.detail(Some(ChangedObject::sink(&held.value)), None);
        self.sinks.remove(id.uuid());
    }

    fn seal_sink(
        &self,
        spec: &SinkSpec,
        value: &mut Sink,
        held: Option<&Sink>,
    ) -> Result<SecretChange, FieldError> {
        let zone = self.view.zone.value.id;
        let keyring = self.engine.keyring();
        // Another kind has another sort of secret.
        let same_kind = held.filter(|held| held.kind.as_str() == value.kind.as_str());
        let sealed: Option<(&Sink, &SealedSecret)> =
            same_kind.and_then(|held| Some((held, held.secret.as_ref()?)));
        let same_hosts = sealed.is_some_and(|(held, _)| held.hosts() == value.hosts());
        let keep = |value: &mut Sink, held: &Sink| {
            value.secret.clone_from(&held.secret);
            value.older.clone_from(&held.older);
            Ok(SecretChange::Unchanged)
        };
        let Some(secret) = &spec.secret else {
            return match sealed {
                Some((held, _)) if same_hosts => keep(value, held),
                Some(_) => Err(
                    FieldError::new("secret", "the secret is sealed for another host")
                        .hint("give the secret again to use another host"),
                ),
                None => Err(FieldError::new("secret", "a new sink needs its secret")),
            };
        };
        let mut change = SecretChange::Set;
        if let Some((held, sealed)) = sealed {
            change = match keyring.open(sealed, &sink_context(zone, held)) {
                Err(_) => SecretChange::Unknown,
                Ok(old) if caracal_crypto::constant_time_eq(old.expose(), secret.expose()) => {
                    if same_hosts {
                        return keep(value, held);
                    }
                    SecretChange::Unchanged
                }
                Ok(_) => SecretChange::Changed,
            };
            // Receivers learn of a new key in their own time.
            let overlaps = change == SecretChange::Changed
                && same_hosts
                && matches!(value.kind, SinkKind::Webhook { .. });
            if overlaps {
                let lasts = SignedDuration::from_secs(Sink::OVERLAP_SECONDS);
                value.older = Some(OlderSinkSecret {
                    secret: sealed.clone(),
                    until: self.engine.now().saturating_add(lasts).unwrap_or_default(),
                });
            }
        }
        let sealed = keyring.seal(secret, &sink_context(zone, value));
        let sealed = sealed.map_err(|error| {
            FieldError::new("secret", format!("the secret cannot be sealed: {error}"))
        })?;
        value.secret = Some(sealed);
        Ok(change)
    }
}

fn placed(error: FieldError, at: impl Fn(&str) -> String) -> FieldError {
    FieldError {
        field: at(&error.field),
        ..error
    }
}

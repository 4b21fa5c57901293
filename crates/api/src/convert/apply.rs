//! Declarative configuration.

use caracal_core::{Application, Retention};
use caracal_engine::{AdminError, Applied, ChangedObject, FieldError, ZoneExport, ZoneSpec};
use caracal_wire::{
    ApplicationBody, AppliedApplication, AppliedChange, AppliedObject, AppliedZone, ApplyAnswer,
    ApplyRequest, ChangedField, ZoneFile,
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Fields, application_spec, client_auth_body, issuer_body, issuer_spec, policy_body,
    policy_sources, policy_test_body, policy_tests, provider_entry, provider_spec, resource_body,
    resource_spec, retention_body, sink_entry, sink_spec,
};

/// The wanted zone.
///
/// # Errors
/// With every wrong field of the request.
pub(crate) fn zone_spec(request: &ApplyRequest) -> Result<ZoneSpec, AdminError> {
    let mut fields = Fields::default();
    let mut spec = ZoneSpec {
        prune: request.prune,
        ..ZoneSpec::default()
    };
    for (i, body) in request.applications.iter().enumerate() {
        let at = format!("applications[{i}].");
        spec.applications
            .extend(application_spec(body, &at, &mut fields));
    }
    for (i, body) in request.issuers.iter().enumerate() {
        let at = format!("issuers[{i}].");
        spec.issuers.extend(issuer_spec(body, &at, &mut fields));
    }
    for (i, body) in request.providers.iter().enumerate() {
        let at = format!("providers[{i}].");
        spec.providers.extend(provider_spec(body, &at, &mut fields));
    }
    for (i, body) in request.resources.iter().enumerate() {
        let at = format!("resources[{i}].");
        spec.resources.extend(resource_spec(body, &at, &mut fields));
    }
    for (i, body) in request.sinks.iter().enumerate() {
        let at = format!("sinks[{i}].");
        spec.sinks.extend(sink_spec(body, &at, &mut fields));
    }
    spec.policies = policy_sources(&request.policies, &mut fields);
    spec.tests = policy_tests(&request.tests, &mut fields);
    if let Some(body) = &request.retention {
        let days = body.events_days.map(Retention::days).transpose();
        match days {
            Ok(retention) => spec.retention = Some(retention),
            Err(error) => fields.wrong("retention.events_days", error),
        }
    }
    spec.self_approval = request.self_approval;
    fields.finish(Some(spec))
}

/// The engine names objects by name, a client finds them by their place in its request.
pub(crate) fn place_fields(error: AdminError, request: &ApplyRequest) -> AdminError {
    let AdminError::Invalid(errors) = error else {
        return error;
    };
    let mut places = Vec::new();
    let mut add = |noun: &str, names: Vec<&String>| {
        for (i, name) in names.into_iter().enumerate() {
            places.push((format!("{noun}[{name}]"), format!("{noun}[{i}]")));
        }
    };
    add(
        "applications",
        request.applications.iter().map(|a| &a.name).collect(),
    );
    add("issuers", request.issuers.iter().map(|i| &i.name).collect());
    add(
        "providers",
        request.providers.iter().map(|p| &p.name).collect(),
    );
    add(
        "resources",
        request.resources.iter().map(|r| &r.name).collect(),
    );
    add("sinks", request.sinks.iter().map(|s| &s.name).collect());
    let place = |error: FieldError| {
        let found = places.iter().find_map(|(named, placed)| {
            let rest = error.field.strip_prefix(named.as_str())?;
            Some(format!("{placed}{rest}"))
        });
        FieldError {
            field: found.unwrap_or(error.field),
            ..error
        }
    };
    AdminError::Invalid(errors.into_iter().map(place).collect())
}

/// The same for a request of one object, whose fields stand at the top.
pub(crate) fn top_fields(error: AdminError, noun: &str, name: &str) -> AdminError {
    let AdminError::Invalid(errors) = error else {
        return error;
    };
    let prefix = format!("{noun}[{name}].");
    let strip = |error: FieldError| FieldError {
        field: match error.field.strip_prefix(&prefix) {
            Some(rest) => rest.to_owned(),
            None => error.field,
        },
        ..error
    };
    AdminError::Invalid(errors.into_iter().map(strip).collect())
}

pub(crate) fn apply_answer(applied: Applied, dry_run: bool) -> ApplyAnswer {
    let object = |object: caracal_engine::AppliedObject| AppliedObject {
        id: object.id,
        name: object.name.to_string(),
    };
    let changed: Vec<_> = applied
        .changes
        .into_iter()
        .map(|change| AppliedChange {
            action: change.action,
            noun: change.noun,
            name: change.name,
            fields: changed_fields(&entry(change.before), &entry(change.after)),
            secret: change.secret.map(|secret| secret.as_str().to_owned()),
        })
        .collect();
    ApplyAnswer {
        zone: AppliedZone {
            id: applied.zone.to_string(),
            name: applied.name.to_string(),
        },
        applications: applied
            .applications
            .into_iter()
            .map(|object| AppliedApplication {
                id: object.id,
                name: object.name.to_string(),
                client_secret: object.client_secret,
            })
            .collect(),
        issuers: applied.issuers.into_iter().map(object).collect(),
        resources: applied.resources.into_iter().map(object).collect(),
        providers: applied.providers.into_iter().map(object).collect(),
        sinks: applied.sinks.into_iter().map(object).collect(),
        policies: applied.policies.iter().map(ToString::to_string).collect(),
        changes: u64::try_from(changed.len()).unwrap_or(u64::MAX),
        changed,
        base: applied.base,
        dry_run,
    }
}

/// What applying to a zone that does not exist yet would do.
pub(crate) fn planned_answer(applied: Applied) -> ApplyAnswer {
    let mut answer = apply_answer(applied, true);
    // Nothing has an id yet.
    answer.zone.id.clear();
    let applications = answer.applications.iter_mut().map(|held| &mut held.id);
    let others = answer.resources.iter_mut().chain(&mut answer.providers);
    let others = others.chain(&mut answer.issuers);
    let others = others.chain(&mut answer.sinks);
    applications
        .chain(others.map(|held| &mut held.id))
        .for_each(String::clear);
    note_created_zone(&mut answer);
    answer
}

/// Notes that the zone itself was created on the way.
pub(crate) fn note_created_zone(answer: &mut ApplyAnswer) {
    let name = answer.zone.name.clone();
    let line = AppliedChange {
        action: "create".to_owned(),
        noun: "zone".to_owned(),
        name,
        fields: Vec::new(),
        secret: None,
    };
    answer.changed.insert(0, line);
    answer.changes = answer.changes.saturating_add(1);
}

fn application_body(application: &Application) -> ApplicationBody {
    ApplicationBody {
        name: application.name.to_string(),
        labels: application.labels.iter().map(ToString::to_string).collect(),
        auth: client_auth_body(&application.auth),
    }
}

/// An object as its entry in a zone file.
fn entry(object: Option<ChangedObject>) -> Map<String, Value> {
    match object {
        None => Map::new(),
        Some(ChangedObject::Application(held)) => map(&application_body(&held)),
        Some(ChangedObject::Resource(held)) => map(&resource_body(*held)),
        Some(ChangedObject::Provider(held)) => map(&provider_entry(&held)),
        Some(ChangedObject::Sink(held)) => map(&sink_entry(&held)),
        Some(ChangedObject::Issuer(held)) => map(&issuer_body(&held)),
        Some(ChangedObject::Bundle(set)) => {
            let policies = set.policies.iter().map(|policy| {
                let text = Value::from(&*policy.cedar);
                (format!("policies.{}", policy.name), text)
            });
            let tests = set.tests.iter().map(|test| {
                let body = Value::Object(map(&policy_test_body(test)));
                (format!("tests.{}", test.name), body)
            });
            policies.chain(tests).collect()
        }
    }
}

fn map(body: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(body) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn changed_fields(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<ChangedField> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let differing = names
        .into_iter()
        .filter(|name| *name != "name" && before.get(*name) != after.get(*name));
    differing
        .map(|name| ChangedField {
            field: name.clone(),
            before: before.get(name).cloned(),
            after: after.get(name).cloned(),
        })
        .collect()
}

/// A zone as the file that `caracal apply` reads, without secrets.
pub(crate) fn zone_file(export: ZoneExport) -> ZoneFile {
    ZoneFile {
        zone: export.name.to_string(),
        applications: export
            .applications
            .into_iter()
            .map(|application| application_body(&application))
            .collect(),
        issuers: export.issuers.iter().map(issuer_body).collect(),
        providers: export.providers.iter().map(provider_entry).collect(),
        resources: export.resources.into_iter().map(resource_body).collect(),
        sinks: export.sinks.iter().map(sink_entry).collect(),
        policies: export.bundle.policies.iter().map(policy_body).collect(),
        tests: export.bundle.tests.iter().map(policy_test_body).collect(),
        retention: export.retention.map(retention_body),
        self_approval: export.self_approval.then_some(true),
    }
}

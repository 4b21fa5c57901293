//! Several files of one zone become one request; what they say differently is told.

use std::collections::BTreeMap;

use caracal_wire::{
    ApplicationBody, ApplyRequest, IssuerBody, PolicyBody, PolicyTestBody, ProviderBody,
    ResourceBody, SinkBody,
};
use serde::Serialize;
use serde_json::Value;

use crate::failure::{Failure, Outcome};

/// An object of a zone file.
trait Named: Serialize + PartialEq {
    const NOUN: &'static str;
    fn name(&self) -> &str;
}

macro_rules! named {
    ($($body:ty = $noun:literal),+ $(,)?) => {$(
        impl Named for $body {
            const NOUN: &'static str = $noun;
            fn name(&self) -> &str {
                &self.name
            }
        }
    )+};
}

named! {
    ApplicationBody = "application",
    IssuerBody = "issuer",
    ProviderBody = "provider",
    ResourceBody = "resource",
    SinkBody = "sink",
    PolicyBody = "policy",
    PolicyTestBody = "test",
}

/// Where an object was said first: by zone, noun and name.
#[derive(Default)]
struct Origins<'f> {
    files: BTreeMap<(String, &'static str, String), &'f str>,
    conflicts: Vec<String>,
}

impl<'f> Origins<'f> {
    fn extend<T: Named>(&mut self, zone: &str, file: &'f str, to: &mut Vec<T>, from: Vec<T>) {
        for object in from {
            let held = to.iter().find(|held| held.name() == object.name());
            let key = (zone.to_owned(), T::NOUN, object.name().to_owned());
            match held {
                None => {
                    self.files.insert(key, file);
                    to.push(object);
                }
                Some(held) => {
                    let first = self.files.get(&key).copied().unwrap_or(file);
                    if *held == object {
                        // Files may say the same, and a file may be named twice; within one it is
                        // a mistake.
                        if std::ptr::eq(first, file) {
                            let (noun, name) = (T::NOUN, object.name());
                            self.conflicts
                                .push(format!("the {noun} `{name}` is written twice in {file}"));
                        }
                        continue;
                    }
                    let place = if first == file {
                        format!("twice in {file}")
                    } else {
                        format!("in {first} and in {file}")
                    };
                    self.conflicts.push(format!(
                        "the {} `{}` is written differently {place}: {}",
                        T::NOUN,
                        object.name(),
                        differing(held, &object).join(", ")
                    ));
                }
            }
        }
    }
}

impl Origins<'_> {
    /// A setting of the zone is said once, or everywhere alike.
    fn once<T: PartialEq>(
        &mut self,
        what: &str,
        (zone, file): (&str, &str),
        to: &mut Option<T>,
        from: Option<T>,
    ) {
        match (&*to, from) {
            (Some(held), Some(other)) if *held != other => self.conflicts.push(format!(
                "the {what} of `{zone}` is written differently again in {file}"
            )),
            (None, from) => *to = from,
            _ => {}
        }
    }
}

/// The names of the fields in which two objects differ; never their values, which may be secrets.
fn differing(a: &impl Serialize, b: &impl Serialize) -> Vec<String> {
    let fields = |object: Result<Value, _>| match object {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (a, b) = (
        fields(serde_json::to_value(a)),
        fields(serde_json::to_value(b)),
    );
    let mut names: Vec<_> = a.keys().chain(b.keys()).collect();
    names.sort();
    names.dedup();
    let differ = names
        .into_iter()
        .filter(|name| a.get(*name) != b.get(*name));
    differ.map(|name| format!("`{name}`")).collect()
}

/// Merges requests of the same zone, each with the file it came from, in the order of the files.
pub(crate) fn merge(requests: Vec<(&str, ApplyRequest)>) -> Outcome<Vec<ApplyRequest>> {
    let mut merged: Vec<ApplyRequest> = Vec::new();
    let mut origins = Origins::default();
    for (file, request) in requests {
        let zone = request.zone.clone().unwrap_or_default();
        let at = merged
            .iter()
            .position(|earlier| earlier.zone == request.zone);
        let empty = ApplyRequest {
            zone: request.zone,
            prune: request.prune,
            ..ApplyRequest::default()
        };
        let mut to = at.map_or(empty, |at| merged.swap_remove(at));
        origins.extend(&zone, file, &mut to.applications, request.applications);
        origins.extend(&zone, file, &mut to.issuers, request.issuers);
        origins.extend(&zone, file, &mut to.providers, request.providers);
        origins.extend(&zone, file, &mut to.resources, request.resources);
        origins.extend(&zone, file, &mut to.sinks, request.sinks);
        origins.extend(&zone, file, &mut to.policies, request.policies);
        origins.extend(&zone, file, &mut to.tests, request.tests);
        origins.once(
            "retention",
            (&zone, file),
            &mut to.retention,
            request.retention,
        );
        let allowed = request.self_approval;
        origins.once(
            "self_approval",
            (&zone, file),
            &mut to.self_approval,
            allowed,
        );
        let at = at.unwrap_or(merged.len());
        merged.push(to);
        // Where it was.
        let last = merged.len().saturating_sub(1);
        merged.swap(at, last);
    }
    if origins.conflicts.is_empty() {
        return Ok(merged);
    }
    Err(Failure::usage(origins.conflicts.join("\n"))
        .hint("say each object once, or everywhere alike"))
}

#[cfg(test)]
mod tests {
    use caracal_wire::SecretValue;

    use super::*;
    use crate::failure::Exit;

    fn request(zone: &str, name: &str, labels: &[&str]) -> ApplyRequest {
        ApplyRequest {
            zone: Some(zone.to_owned()),
            applications: vec![ApplicationBody {
                name: name.to_owned(),
                labels: labels.iter().map(|label| (*label).to_owned()).collect(),
                auth: None,
            }],
            ..ApplyRequest::default()
        }
    }

    #[test]
    fn files_of_one_zone_become_one_request() {
        let merged = merge(vec![
            ("`1`", request("a", "x", &[])),
            ("`2`", request("b", "y", &[])),
            ("`3`", request("a", "z", &[])),
            ("`4`", request("a", "x", &[])),
        ]);
        let merged = merged.unwrap();
        let zones: Vec<_> = merged.iter().map(|r| r.zone.clone().unwrap()).collect();
        assert_eq!(zones, ["a", "b"]);
        assert_eq!(merged.first().unwrap().applications.len(), 2);
    }

    #[test]
    fn what_two_files_say_differently_is_told_without_secrets() {
        let provider = |secret: &str| ProviderBody {
            name: "p".to_owned(),
            kind: "bearer".to_owned(),
            header: None,
            query: None,
            prefix: None,
            username: None,
            secret: Some(SecretValue::new(secret)),
            allowed_hosts: None,
        };
        let with = |labels: &[&str], secret: &str| ApplyRequest {
            providers: vec![provider(secret)],
            ..request("a", "x", labels)
        };
        let failure = merge(vec![
            ("`1.yaml`", with(&[], "hunter2")),
            ("`2.yaml`", with(&["l"], "hunter3")),
        ])
        .unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        for words in [
            "the application `x` is written differently in `1.yaml` and in `2.yaml`: `labels`",
            "the provider `p` is written differently in `1.yaml` and in `2.yaml`: `secret`",
        ] {
            assert!(failure.message.contains(words), "{failure}");
        }
        assert!(!failure.message.contains("hunter"), "{failure}");
        let mut twice = request("a", "x", &[]);
        twice
            .applications
            .extend(request("a", "x", &["l"]).applications);
        let failure = merge(vec![("`1.yaml`", twice)]).unwrap_err();
        assert!(failure.message.contains("twice in `1.yaml`"), "{failure}");
        let mut alike = request("a", "x", &[]);
        alike
            .applications
            .extend(request("a", "x", &[]).applications);
        let failure = merge(vec![("`1.yaml`", alike)]).unwrap_err();
        assert!(
            failure.message.contains("written twice in `1.yaml`"),
            "{failure}"
        );
    }
}

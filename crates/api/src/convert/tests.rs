//! Every wrong field is named at once, and what is shown can be sent back.

use caracal_core::{Version, ZoneId};
use caracal_engine::{AdminError, FieldError, Versioned};
use caracal_wire::{ApplyRequest, ProviderBody, ResourceBody};
use serde_json::json;

use super::*;

fn fields_of(request: serde_json::Value) -> Vec<String> {
    let request: ApplyRequest = serde_json::from_value(request).unwrap();
    match zone_spec(&request) {
        Ok(_) => Vec::new(),
        Err(AdminError::Invalid(errors)) => errors.into_iter().map(|e| e.field).collect(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_wrong_field_is_named_at_once() {
    let found = fields_of(json!({
        "applications": [{"name": "Anton"}, {"name": "b", "labels": ["ok", "No", "ok"]}],
        "providers": [
            {"name": "a", "kind": "bearr"},
            {"name": "b", "kind": "bearer", "username": "x", "allowed_hosts": ["h:1", "h"]},
            {"name": "c", "kind": "basic", "header": "x"},
        ],
        "resources": [{
            "name": "r", "upstream": "https://x", "provider": "-", "scopes": ["a b", "ok"],
            "operations": [
                {"method": "GET", "path": "/ok", "scope": "ok"},
                {"method": "get", "path": "/ok", "scope": "ok"},
                {"method": "GET", "path": "v1", "scope": "caracal:lend"},
            ],
            "default_scope": "", "enforcement": "none", "decide": "always", "cookies": "keep", "encoded_slashes": "x",
        }],
        "policies": [{"name": "a", "cedar": ""}, {"name": "a", "cedar": ""}, {"name": "_", "cedar": ""}],
    }));
    assert_eq!(
        found,
        [
            "applications[0].name",
            "applications[1].labels[1]",
            "applications[1].labels[2]",
            "providers[0].kind",
            "providers[1].username",
            "providers[1].allowed_hosts[1]",
            "providers[2].header",
            "providers[2].username",
            "resources[0].scopes[0]",
            "resources[0].operations[1].method",
            "resources[0].operations[2].path",
            "resources[0].operations[2].scope",
            "resources[0].default_scope",
            "resources[0].provider",
            "resources[0].enforcement",
            "resources[0].decide",
            "resources[0].cookies",
            "resources[0].encoded_slashes",
            "policies[1].name",
            "policies[2].name",
        ]
    );
}

#[test]
fn policies_are_bounded_together() {
    let half = "/".repeat(600 * 1024);
    let both = json!([{"name": "a", "cedar": half}, {"name": "b", "cedar": half}]);
    assert_eq!(fields_of(json!({"policies": both})), ["policies"]);
}

fn resource(body: ResourceBody) -> caracal_core::Resource {
    let mut fields = Fields::default();
    let spec = resource_spec(&body, "", &mut fields);
    let spec = fields.finish(spec).unwrap();
    caracal_core::Resource {
        id: caracal_core::ResourceId::from_uuid(ZoneId::INSTANCE.uuid()),
        name: spec.name,
        created_at: jiff::Timestamp::UNIX_EPOCH,
        upstream: spec.upstream,
        provider: spec.provider,
        scopes: spec.scopes,
        operations: spec.operations,
        undeclared: spec.undeclared,
        enforcement: spec.enforcement,
        verified_by: spec.verified_by,
        asks_decide: spec.asks_decide,
        allow_private: spec.allow_private,
        upstream_ca: spec.upstream_ca,
        upstream_protocol: spec.upstream_protocol,
        mandate_in: spec.mandate_in,
        requires_dpop: spec.requires_dpop,
        single_use: spec.single_use,
        pass_cookies: spec.pass_cookies,
        literal_encoded_slashes: spec.literal_encoded_slashes,
        response_timeout_seconds: spec.response_timeout_seconds,
        max_stream_seconds: spec.max_stream_seconds,
        max_body_bytes: spec.max_body_bytes,
    }
}

#[test]
fn a_resource_that_is_shown_can_be_sent_back() {
    let body = json!({
        "name": "r", "upstream": "https://x/base", "provider": "p", "scopes": ["a", "b"],
        "operations": [{"method": "*", "path": "/x/{id}/**", "scope": "a"}],
        "default_scope": "b", "enforcement": "service", "verified_by": ["v"], "decide": "required", "allow_private": true,
        "upstream_ca": "PEM", "upstream_protocol": "http2", "mandate_in": [{"header": "X-Api-Key"}, {"query": "k"}, "basic_password"],
        "dpop": "required", "single_use": true,
        "cookies": "pass", "encoded_slashes": "literal", "response_timeout_seconds": 5,
        "max_stream_seconds": 6, "max_body_bytes": 7,
    });
    let full: ResourceBody = serde_json::from_value(body.clone()).unwrap();
    let small = json!({"name": "r", "upstream": "https://x", "scopes": []});
    for body in [full, serde_json::from_value(small.clone()).unwrap()] {
        let held = resource(body);
        let versioned = Versioned {
            version: Version(3),
            value: held.clone(),
        };
        let view = resource_view(versioned);
        assert_eq!(
            (view.version, view.identifier.as_str()),
            (3, "resource://r")
        );
        assert_eq!(resource(view.into()), held);
        assert_eq!(resource(resource_body(held.clone())), held);
    }
    let plain: ResourceBody = serde_json::from_value(small.clone()).unwrap();
    let exported = serde_json::to_value(resource_body(resource(plain))).unwrap();
    assert_eq!(exported, small, "defaults are not exported");
}

#[test]
fn no_view_of_a_provider_holds_its_secret() {
    for kind in [
        json!({"kind": "bearer", "secret": "s3cr3t"}),
        json!({"kind": "api_key", "header": "X-Key", "prefix": "Token ", "secret": "s3cr3t"}),
        json!({"kind": "basic", "username": "u", "secret": "s3cr3t"}),
        json!({"kind": "none"}),
    ] {
        let mut body = kind.clone();
        body["name"] = json!("p");
        let body: ProviderBody = serde_json::from_value(body).unwrap();
        let mut fields = Fields::default();
        let spec = provider_spec(&body, "", &mut fields);
        let spec = fields.finish(spec).unwrap();
        assert_eq!(spec.secret.is_some(), spec.kind.needs_secret());
        let value = caracal_core::Provider {
            id: caracal_core::ProviderId::from_uuid(ZoneId::INSTANCE.uuid()),
            name: spec.name,
            created_at: jiff::Timestamp::UNIX_EPOCH,
            kind: spec.kind,
            secret: spec
                .secret
                .map(|_| caracal_core::SealedSecret("s3cr3t".to_owned())),
            allowed_hosts: vec!["h:1".parse().unwrap()],
        };
        let exported = serde_json::to_string(&provider_entry(&value)).unwrap();
        let view = provider_view(Versioned {
            version: Version(1),
            value: value.clone(),
        });
        let shown = serde_json::to_string(&view).unwrap();
        assert!(
            !shown.contains("s3cr3t") && !exported.contains("s3cr3t"),
            "{shown} {exported}"
        );
        let back = ProviderBody::from(view);
        let mut fields = Fields::default();
        let spec = provider_spec(&back, "", &mut fields);
        assert_eq!(fields.finish(spec).unwrap().kind, value.kind);
    }
}

#[test]
fn the_engines_fields_are_placed_in_the_request() {
    let wrong = |field: &str| AdminError::Invalid(vec![FieldError::new(field, "why")]);
    let field = |error| match error {
        AdminError::Invalid(errors) => errors[0].field.clone(),
        other => other.to_string(),
    };
    let request: ApplyRequest = serde_json::from_value(json!({
        "resources": [{"name": "a", "upstream": "", "scopes": []}, {"name": "b", "upstream": "", "scopes": []}],
    }))
    .unwrap();
    for (from, placed, top) in [
        ("resources[b].upstream", "resources[1].upstream", "upstream"),
        (
            "resources[c].upstream",
            "resources[c].upstream",
            "resources[c].upstream",
        ),
        ("policies[b]:1:2", "policies[b]:1:2", "policies[b]:1:2"),
    ] {
        assert_eq!(field(place_fields(wrong(from), &request)), placed);
        assert_eq!(field(top_fields(wrong(from), "resources", "b")), top);
    }
}

//! Resources.

use caracal_core::{
    Enforcement, MandateSlot, Operation, Resource, UndeclaredOperation, UpstreamProtocol,
};
use caracal_engine::{ResourceSpec, Versioned};
use caracal_wire::{MandateIn, OperationBody, ResourceBody, ResourceView};

use super::Fields;

pub(crate) fn resource_spec(
    body: &ResourceBody,
    at: &str,
    fields: &mut Fields,
) -> Option<ResourceSpec> {
    let scopes = fields.parse_all(&format!("{at}scopes"), &body.scopes);
    let operations = body
        .operations
        .iter()
        .enumerate()
        .filter_map(|(i, rule)| operation(rule, &format!("{at}operations[{i}]."), fields))
        .collect();
    let undeclared = match &body.default_scope {
        None => Some(UndeclaredOperation::Deny),
        Some(scope) => fields
            .parse(format!("{at}default_scope"), scope)
            .map(UndeclaredOperation::Scope),
    };
    let provider = match &body.provider {
        None => None,
        Some(name) => fields.parse(format!("{at}provider"), name),
    };
    let enforcement = body.enforcement.as_deref();
    let protocol = match &body.upstream_protocol {
        None => Some(UpstreamProtocol::Auto),
        Some(word) => fields.parse(format!("{at}upstream_protocol"), word),
    };
    let service = fields.choice(
        format!("{at}enforcement"),
        enforcement,
        "gateway",
        "service",
    );
    let verified_by = fields.parse_all(&format!("{at}verified_by"), &body.verified_by);
    let decide = body.decide.as_deref();
    let asks_decide = fields.choice(format!("{at}decide"), decide, "optional", "required");
    let dpop = body.dpop.as_deref();
    let requires_dpop = fields.choice(format!("{at}dpop"), dpop, "optional", "required");
    let cookies = body.cookies.as_deref();
    let pass_cookies = fields.choice(format!("{at}cookies"), cookies, "drop", "pass");
    let slashes = body.encoded_slashes.as_deref();
    let literal = fields.choice(format!("{at}encoded_slashes"), slashes, "reject", "literal");
    let name = fields.parse(format!("{at}name"), &body.name);
    let seconds = Resource::RESPONSE_TIMEOUT_SECONDS;
    let stream = Resource::MAX_STREAM_SECONDS;
    Some(ResourceSpec {
        name: name?,
        upstream: body.upstream.clone(),
        provider,
        scopes,
        operations,
        undeclared: undeclared?,
        enforcement: if service {
            Enforcement::Service
        } else {
            Enforcement::Gateway
        },
        verified_by,
        asks_decide,
        allow_private: body.allow_private,
        upstream_ca: body.upstream_ca.clone(),
        upstream_protocol: protocol?,
        mandate_in: body.mandate_in.iter().map(slot).collect(),
        requires_dpop,
        single_use: body.single_use,
        pass_cookies,
        literal_encoded_slashes: literal,
        response_timeout_seconds: body.response_timeout_seconds.unwrap_or(seconds),
        max_stream_seconds: body.max_stream_seconds.unwrap_or(stream),
        max_body_bytes: body.max_body_bytes.unwrap_or(Resource::MAX_BODY_BYTES),
    })
}

fn operation(rule: &OperationBody, at: &str, fields: &mut Fields) -> Option<Operation> {
    let is_method = rule.method == "*"
        || (1..=32).contains(&rule.method.len())
            && rule
                .method
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b == b'-');
    if !is_method {
        let why = "use an HTTP method in capitals, or `*`";
        fields.wrong(format!("{at}method"), why);
    }
    let path = fields.parse(format!("{at}path"), &rule.path);
    let scope = fields.parse(format!("{at}scope"), &rule.scope);
    Some(Operation {
        method: rule.method.clone(),
        path: path?,
        scope: scope?,
    })
}

fn slot(slot: &MandateIn) -> MandateSlot {
    match slot {
        MandateIn::Header(name) => MandateSlot::Header(name.to_ascii_lowercase()),
        MandateIn::Query(name) => MandateSlot::Query(name.clone()),
        MandateIn::BasicPassword => MandateSlot::BasicPassword,
    }
}

fn slot_view(slot: &MandateSlot) -> MandateIn {
    match slot {
        MandateSlot::Header(name) => MandateIn::Header(name.clone()),
        MandateSlot::Query(name) => MandateIn::Query(name.clone()),
        MandateSlot::BasicPassword => MandateIn::BasicPassword,
    }
}

pub(crate) fn resource_view(held: Versioned<Resource>) -> ResourceView {
    let Versioned { version, value } = held;
    let default_scope = match &value.undeclared {
        UndeclaredOperation::Deny => None,
        UndeclaredOperation::Scope(scope) => Some(scope.to_string()),
    };
    let enforcement = match value.enforcement {
        Enforcement::Gateway => "gateway",
        Enforcement::Service => "service",
    };
    ResourceView {
        id: value.id.to_string(),
        identifier: value.identifier().to_string(),
        name: value.name.to_string(),
        version: version.0,
        created_at: value.created_at,
        upstream: value.upstream,
        provider: value.provider.map(|name| name.to_string()),
        scopes: value.scopes.iter().map(ToString::to_string).collect(),
        operations: value
            .operations
            .iter()
            .map(|rule| OperationBody {
                method: rule.method.clone(),
                path: rule.path.to_string(),
                scope: rule.scope.to_string(),
            })
            .collect(),
        default_scope,
        enforcement: enforcement.to_owned(),
        verified_by: value.verified_by.iter().map(ToString::to_string).collect(),
        decide: if value.asks_decide {
            "required"
        } else {
            "optional"
        }
        .to_owned(),
        allow_private: value.allow_private,
        upstream_ca: value.upstream_ca,
        upstream_protocol: value.upstream_protocol.as_str().to_owned(),
        mandate_in: value.mandate_in.iter().map(slot_view).collect(),
        dpop: if value.requires_dpop {
            "required"
        } else {
            "optional"
        }
        .to_owned(),
        single_use: value.single_use,
        cookies: if value.pass_cookies { "pass" } else { "drop" }.to_owned(),
        encoded_slashes: if value.literal_encoded_slashes {
            "literal"
        } else {
            "reject"
        }
        .to_owned(),
        response_timeout_seconds: value.response_timeout_seconds,
        max_stream_seconds: value.max_stream_seconds,
        max_body_bytes: value.max_body_bytes,
    }
}

/// The resource in an exported file: what has its default value is left out.
pub(crate) fn resource_body(value: Resource) -> ResourceBody {
    let view = resource_view(Versioned {
        version: caracal_core::Version::ABSENT,
        value,
    });
    let unless = |word: String, default: &str| (word != default).then_some(word);
    let body = ResourceBody::from(view);
    ResourceBody {
        enforcement: body.enforcement.and_then(|word| unless(word, "gateway")),
        upstream_protocol: body.upstream_protocol.and_then(|word| unless(word, "auto")),
        decide: body.decide.and_then(|word| unless(word, "optional")),
        dpop: body.dpop.and_then(|word| unless(word, "optional")),
        cookies: body.cookies.and_then(|word| unless(word, "drop")),
        encoded_slashes: body.encoded_slashes.and_then(|word| unless(word, "reject")),
        response_timeout_seconds: body
            .response_timeout_seconds
            .filter(|held| *held != Resource::RESPONSE_TIMEOUT_SECONDS),
        max_stream_seconds: body
            .max_stream_seconds
            .filter(|held| *held != Resource::MAX_STREAM_SECONDS),
        max_body_bytes: body
            .max_body_bytes
            .filter(|held| *held != Resource::MAX_BODY_BYTES),
        ..body
    }
}

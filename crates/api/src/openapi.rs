//! The OpenAPI 3.1 document, made from the declarations of the routes.

use serde_json::{Map, Value, json};
use utoipa_axum::router::OpenApiRouter;

use crate::extract::MAX_BODY_BYTES;
use crate::routes;

/// The document of the control API of this release. What all operations share is added here:
/// refusals, and the conditions of writes. The roles in `security` are the weakest ones that
/// may do it; the engine enforces them.
pub fn document(version: &str) -> Value {
    let all = OpenApiRouter::default()
        .merge(routes::closed())
        .merge(routes::open());
    let mut document = serde_json::to_value(all.get_openapi()).unwrap_or_default();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    if let Some(paths) = paths {
        complete(paths);
    }
    let info = json!({
        "title": "Caracal control API",
        "version": version,
        "description": format!(
            "Administers a Caracal instance. Every answer carries `Caracal-Request-Id`; refusals \
             are problems (RFC 9457). `{{zone}}` takes the id or the name of a zone. Bodies have at \
             most {MAX_BODY_BYTES} bytes."
        ),
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    });
    let problem = <caracal_wire::Problem as utoipa::PartialSchema>::schema();
    let field = <caracal_wire::FieldProblem as utoipa::PartialSchema>::schema();
    if let Some(root) = document.as_object_mut() {
        root.insert("info".to_owned(), info);
        let components = root.entry("components").or_insert_with(|| json!({}));
        if let Some(components) = components.as_object_mut() {
            let scheme = json!({"operator": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API token (`caracal token create`). Its roles are, strongest \
                    first: owner, admin, approver, auditor, viewer. The local Unix socket needs none.",
            }});
            components.insert("securitySchemes".to_owned(), scheme);
            let schemas = components.entry("schemas").or_insert_with(|| json!({}));
            if let Some(schemas) = schemas.as_object_mut() {
                schemas.insert("Problem".to_owned(), json!(problem));
                schemas.insert("FieldProblem".to_owned(), json!(field));
            }
        }
    }
    document
}

fn complete(paths: &mut Map<String, Value>) {
    // A wildcard is written `{*path}` for the router and `{path}` in the document.
    let named: Vec<_> = std::mem::take(paths).into_iter().collect();
    for (path, mut item) in named {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if let Some(operation) = operation.as_object_mut() {
                complete_operation(&path, method, operation);
            }
        }
        paths.insert(path.replace("{*", "{"), item);
    }
}

fn complete_operation(path: &str, method: &str, operation: &mut Map<String, Value>) {
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    if let Some(responses) = responses.as_object_mut() {
        let schema = json!({"$ref": "#/components/schemas/Problem"});
        let refusal = json!({
            "description": "refused",
            "content": {caracal_wire::Problem::MEDIA_TYPE: {"schema": schema}},
        });
        for (status, response) in responses.iter_mut() {
            let said = match status.as_str() {
                "201" => "created; on a dry run 200 with what would be",
                "204" => "done",
                _ => "the answer",
            };
            if let Some(response) = response.as_object_mut() {
                response.insert("description".to_owned(), json!(said));
            }
        }
        responses.insert("default".to_owned(), refusal);
    }
    if method == "get" {
        return;
    }
    let has_version = matches!(method, "put" | "delete")
        || path.ends_with("/activate")
        || path.ends_with("/secrets");
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    let Some(parameters) = parameters.as_array_mut() else {
        return;
    };
    parameters.push(json!({
        "name": "dry_run", "in": "query", "schema": {"type": "boolean", "default": false},
        "description": "Checks everything and changes nothing.",
    }));
    parameters.push(json!({
        "name": "Idempotency-Key", "in": "header",
        "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
        "description": "The same request with the same key is carried out once in 24 hours.",
    }));
    if has_version {
        parameters.push(json!({
            "name": "If-Match", "in": "header", "schema": {"type": "string"},
            "description": "The version that the object must have, as its `ETag` says it.",
        }));
    }
}

//! Requests that a mandate names exactly (RFC 9396).

use serde::{Deserialize, Serialize};

use crate::{RequestPath, ResourceIdentifier, Scope};

/// One member of `authorization_details`. A type that is not known cannot be read, so that a
/// mandate with one is refused and never taken for one that allows more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum AuthorizationDetail {
    /// `caracal_call`: one request, as often as it is made.
    #[serde(rename = "caracal_call")]
    Call(ExactCall),
}

impl AuthorizationDetail {
    /// The types, as metadata lists them.
    pub const TYPES: [&str; 1] = ["caracal_call"];
    /// The most details of one mandate.
    pub const MAX: usize = 16;
    /// The most bytes that all of them may take as JSON, so that a mandate stays a header.
    pub const MAX_BYTES: usize = 3072;

    /// The request.
    pub fn call(&self) -> &ExactCall {
        let Self::Call(call) = self;
        call
    }
}

/// A request on a resource: everything that says what it does but its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExactCall {
    /// The resource.
    pub locations: [ResourceIdentifier; 1],
    /// The scope that the request needs.
    pub actions: [Scope; 1],
    /// The HTTP method in capitals; `GET` stands for `HEAD` too.
    pub method: String,
    /// The path below the resource, with each segment encoded as it is sent.
    pub path: String,
    /// The decoded `name=value` of the query, in order: all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<String>,
}

impl ExactCall {
    /// The resource.
    pub fn resource(&self) -> &ResourceIdentifier {
        let [resource] = &self.locations;
        resource
    }

    /// The scope.
    pub fn scope(&self) -> &Scope {
        let [scope] = &self.actions;
        scope
    }

    /// True for this request and for no other.
    pub fn is(
        &self,
        resource: &ResourceIdentifier,
        scope: &Scope,
        method: &str,
        path: &RequestPath,
        query: &[String],
    ) -> bool {
        let method = if method == "HEAD" { "GET" } else { method };
        self.resource() == resource
            && self.scope() == scope
            && self.method == method
            && self.query == query
            && self.path == path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"type":"caracal_call","locations":["resource://items"],"actions":["items:write"],"method":"POST","path":"/v1/a%20b","query":["x=1"]}"#;

    #[test]
    fn a_detail_is_its_request_and_no_other() {
        let detail: AuthorizationDetail = serde_json::from_str(ONE).unwrap();
        let is = |resource: &str, scope: &str, method: &str, path: &str, query: &[&str]| {
            let query: Vec<_> = query.iter().map(ToString::to_string).collect();
            let path = RequestPath::parse(path).unwrap();
            let (resource, scope) = (resource.parse().unwrap(), scope.parse().unwrap());
            detail.call().is(&resource, &scope, method, &path, &query)
        };
        let (items, write) = ("resource://items", "items:write");
        assert!(is(items, write, "POST", "/v1/a%20b", &["x=1"]));
        assert!(is(items, write, "POST", "/%76%31/a%20b", &["x=1"]));
        assert!(!is(
            "resource://other",
            write,
            "POST",
            "/v1/a%20b",
            &["x=1"]
        ));
        assert!(!is(items, "items:read", "POST", "/v1/a%20b", &["x=1"]));
        assert!(!is(items, write, "PUT", "/v1/a%20b", &["x=1"]));
        assert!(!is(items, write, "POST", "/v1/a", &["x=1"]));
        assert!(!is(items, write, "POST", "/v1/a%20b/c", &["x=1"]));
        for query in [&[][..], &["x=2"], &["x=1", "x=1"], &["x=1", "y=2"]] {
            assert!(!is(items, write, "POST", "/v1/a%20b", query), "{query:?}");
        }
        assert_eq!(serde_json::to_string(&detail).unwrap(), ONE);
    }

    #[test]
    fn what_is_not_known_cannot_be_read() {
        for (was, is) in [
            ("caracal_call", "payment_initiation"),
            (r#""query":["x=1"]"#, r#""body":"x""#),
            (r#"["resource://items"]"#, "[]"),
            (r#"["items:write"]"#, r#"["items:write","items:read"]"#),
            (r#""method":"POST","#, r#""method":"POST","method":"PUT","#),
            (r#""method":"POST","#, ""),
        ] {
            let text = ONE.replace(was, is);
            assert_ne!(text, ONE);
            assert!(
                serde_json::from_str::<AuthorizationDetail>(&text).is_err(),
                "{text}"
            );
        }
    }
}

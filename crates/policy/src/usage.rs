//! Which parts of a question a statement looks at.

use serde_json::Value;

/// The parts of the question that a statement's conditions mention. What none of a slice
/// mentions is not built for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) now: bool,
    pub(crate) phase: bool,
    pub(crate) actor: bool,
    pub(crate) delegation: bool,
    pub(crate) approval: bool,
    /// A statement that mentions the request is deferred at mint.
    pub(crate) request: bool,
    /// Which of the request's fields are needed, when it is.
    pub(crate) fields: Fields,
    /// The session as an entity: its attributes and its application.
    pub(crate) session: bool,
}

/// Fields of the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) method: bool,
    pub(crate) path: bool,
    pub(crate) host: bool,
    pub(crate) query: bool,
    pub(crate) tool: bool,
}

impl Fields {
    const ALL: Self = Self {
        method: true,
        path: true,
        host: true,
        query: true,
        tool: true,
    };

    fn or(self, other: Self) -> Self {
        Self {
            method: self.method || other.method,
            path: self.path || other.path,
            host: self.host || other.host,
            query: self.query || other.query,
            tool: self.tool || other.tool,
        }
    }

    fn add(&mut self, name: Option<&str>) {
        match name {
            Some("method") => self.method = true,
            Some("path") => self.path = true,
            Some("host") => self.host = true,
            Some("query") => self.query = true,
            Some("tool") => self.tool = true,
            _ => *self = Self::ALL,
        }
    }
}

impl Usage {
    const ALL: Self = Self {
        now: true,
        phase: true,
        actor: true,
        delegation: true,
        approval: true,
        request: true,
        fields: Fields::ALL,
        session: true,
    };

    /// What a statement in Cedar's JSON form mentions.
    pub(crate) fn of(statement: &Value) -> Self {
        let mut usage = Self::default();
        usage.walk(statement.get("conditions").unwrap_or(statement));
        usage
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            now: self.now || other.now,
            phase: self.phase || other.phase,
            actor: self.actor || other.actor,
            delegation: self.delegation || other.delegation,
            approval: self.approval || other.approval,
            request: self.request || other.request,
            fields: self.fields.or(other.fields),
            session: self.session || other.session,
        }
    }

    fn walk(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            Value::Object(map) => {
                for (key, inner) in map {
                    match (key.as_str(), inner) {
                        ("." | "has", access) if is_request(access.get("left")) => {
                            self.request = true;
                            self.fields.add(access.get("attr").and_then(Value::as_str));
                        }
                        ("." | "has", access) if is_context(access.get("left")) => {
                            self.field(access.get("attr").and_then(Value::as_str));
                        }
                        // The context as a whole, compared or passed on.
                        ("Var", Value::String(name)) if name == "context" => *self = Self::ALL,
                        ("Var", Value::String(name)) if name == "principal" => {
                            self.session = true;
                        }
                        // A session by its id has the attributes too.
                        ("type", Value::String(name)) if name == "Session" => self.session = true,
                        _ => self.walk(inner),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn field(&mut self, name: Option<&str>) {
        match name {
            Some("now") => self.now = true,
            Some("phase") => self.phase = true,
            Some("actor") => self.actor = true,
            Some("delegation") => self.delegation = true,
            Some("approval") => self.approval = true,
            // Compared or passed on as a whole.
            Some("request") => {
                self.request = true;
                self.fields = Fields::ALL;
            }
            // Nothing else is in the schema; whatever it is, build everything.
            _ => *self = Self::ALL,
        }
    }
}

fn is_context(left: Option<&Value>) -> bool {
    left.and_then(|left| left.get("Var"))
        .and_then(Value::as_str)
        == Some("context")
}

/// True for `context.request`.
fn is_request(left: Option<&Value>) -> bool {
    left.and_then(|left| left.get(".")).is_some_and(|access| {
        is_context(access.get("left"))
            && access.get("attr").and_then(Value::as_str) == Some("request")
    })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    fn of(condition: &str) -> Usage {
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        Usage::of(
            &cedar_policy::Policy::from_str(&text)
                .unwrap()
                .to_json()
                .unwrap(),
        )
    }

    #[test]
    fn what_is_mentioned_is_needed() {
        let method = Fields {
            method: true,
            ..Fields::default()
        };
        let request = |fields| Usage {
            request: true,
            fields,
            ..Usage::default()
        };
        assert_eq!(of("context.request.method == \"GET\""), request(method));
        let both = Fields {
            tool: true,
            ..method
        };
        assert_eq!(
            of("context.request has tool && context.request.method == \"GET\""),
            request(both)
        );
        assert_eq!(
            of("{ a: context.request } == { a: context.request }"),
            request(Fields::ALL)
        );
        assert_eq!(of("context has request"), request(Fields::ALL));
        assert!(of("context.request.query.contains(\"a=b\")").fields.query);
        assert_eq!(of("{ a: context } == { a: context }"), Usage::ALL);
        assert!(of("principal in Application::\"a\"").session);
        assert_eq!(of("1 == 1"), Usage::default());
    }
}

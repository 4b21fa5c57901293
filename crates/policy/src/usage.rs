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
    /// The attributes of the session.
    pub(crate) session: bool,
}

impl Usage {
    const ALL: Self = Self {
        now: true,
        phase: true,
        actor: true,
        delegation: true,
        approval: true,
        request: true,
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
            session: self.session || other.session,
        }
    }

    fn walk(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            Value::Object(map) => {
                for (key, inner) in map {
                    match (key.as_str(), inner) {
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
            Some("request") => self.request = true,
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

//! Which requests a scope covers.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{PathTemplate, RequestPath, Scope};

/// A rule: requests of this method and path need this scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The HTTP method in capitals, or `*` for every one. `HEAD` counts as `GET`.
    pub method: String,
    /// The path template.
    pub path: PathTemplate,
    /// The scope that it needs.
    pub scope: Scope,
}

/// Two rules that match the same requests and name different scopes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "operations `{method} {first}` and `{method} {second}` match the same requests but need different scopes"
)]
pub struct OperationConflict {
    method: String,
    first: String,
    second: String,
}

/// The rules of a resource, the most specific first.
#[derive(Debug, Clone, Default)]
pub struct OperationTable(Vec<Operation>);

impl OperationTable {
    /// Orders the rules.
    ///
    /// # Errors
    /// When two rules match the same requests but name different scopes.
    pub fn new(mut operations: Vec<Operation>) -> Result<Self, OperationConflict> {
        operations.sort_by(|a, b| {
            let key = |o: &Operation| (o.method == "*", o.method.clone());
            a.path
                .specificity()
                .cmp(&b.path.specificity())
                .then_with(|| key(a).cmp(&key(b)))
        });
        for pair in operations.windows(2) {
            if let [a, b] = pair
                && a.method == b.method
                && a.path.specificity() == b.path.specificity()
                && a.scope != b.scope
            {
                return Err(OperationConflict {
                    method: a.method.clone(),
                    first: a.path.to_string(),
                    second: b.path.to_string(),
                });
            }
        }
        Ok(Self(operations))
    }

    /// The most specific rule for a request.
    pub fn find(&self, method: &str, path: &RequestPath) -> Option<&Operation> {
        let method = if method == "HEAD" { "GET" } else { method };
        self.0
            .iter()
            .find(|rule| (rule.method == "*" || rule.method == method) && rule.path.matches(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(method: &str, path: &str, scope: &str) -> Operation {
        Operation {
            method: method.to_owned(),
            path: path.parse().unwrap(),
            scope: scope.parse().unwrap(),
        }
    }

    fn scope_of(table: &OperationTable, method: &str, path: &str) -> Option<String> {
        let path = RequestPath::parse(path).unwrap();
        table.find(method, &path).map(|rule| rule.scope.to_string())
    }

    #[test]
    fn the_most_specific_rule_wins_whatever_the_order() {
        let mut rules = vec![
            rule("*", "/**", "any"),
            rule("GET", "/v1/{id}", "one"),
            rule("GET", "/v1/models", "models"),
            rule("*", "/v1/models", "models-write"),
            rule("GET", "/{x}/models/**", "deep"),
        ];
        for _ in 0..rules.len() {
            rules.rotate_left(1);
            let table = OperationTable::new(rules.clone()).unwrap();
            assert_eq!(
                scope_of(&table, "GET", "/v1/models").as_deref(),
                Some("models")
            );
            assert_eq!(
                scope_of(&table, "HEAD", "/v1/models").as_deref(),
                Some("models")
            );
            assert_eq!(
                scope_of(&table, "POST", "/v1/models").as_deref(),
                Some("models-write")
            );
            assert_eq!(scope_of(&table, "GET", "/v1/x").as_deref(), Some("one"));
            assert_eq!(
                scope_of(&table, "GET", "/v2/models/x").as_deref(),
                Some("deep")
            );
            assert_eq!(scope_of(&table, "DELETE", "/").as_deref(), Some("any"));
        }
    }

    #[test]
    fn a_tie_with_different_scopes_is_refused() {
        let tie = vec![rule("GET", "/v1/{a}", "x"), rule("GET", "/v1/*", "y")];
        assert!(OperationTable::new(tie).is_err());
        let same = vec![rule("GET", "/v1/{a}", "x"), rule("GET", "/v1/*", "x")];
        assert!(OperationTable::new(same).is_ok());
    }
}

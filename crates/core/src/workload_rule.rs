//! Which tokens of an outside issuer are an application's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{ClaimPattern, Name, has_hidden_characters};

/// How many claims a rule may name.
pub const MAX_RULE_CLAIMS: usize = 16;
/// The longest name of a claim, in bytes.
const MAX_CLAIM_NAME_BYTES: usize = 256;

/// The conditions under which a token of an outside issuer proves an application. All must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadRule {
    /// The issuer's name in the zone.
    pub issuer: Name,
    /// What `sub` must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<ClaimPattern>,
    /// What other claims must be: by name, or by JSON pointer (RFC 6901) into one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, ClaimPattern>,
}

/// Why a rule is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WorkloadRuleError {
    /// It would let everything in that the issuer vouches for.
    #[error("say which workload it is: a `subject`, or `claims`")]
    NoCondition,
    /// It has more claims than [`MAX_RULE_CLAIMS`].
    #[error("at most 16 claims")]
    TooMany,
    /// A claim cannot be called that.
    #[error("a claim is named with 1 to 256 visible characters")]
    WrongName,
    /// The name says what another field says, or what tells nobody apart.
    #[error("`{0}` is no condition: use `subject` for `sub`; the rest is checked always")]
    Reserved(String),
}

impl WorkloadRule {
    /// Checks that the rule tells workloads apart.
    ///
    /// # Errors
    /// See [`WorkloadRuleError`].
    pub fn check(&self) -> Result<(), WorkloadRuleError> {
        if self.subject.is_none() && self.claims.is_empty() {
            return Err(WorkloadRuleError::NoCondition);
        }
        if self.claims.len() > MAX_RULE_CLAIMS {
            return Err(WorkloadRuleError::TooMany);
        }
        for name in self.claims.keys() {
            let fits = (1..=MAX_CLAIM_NAME_BYTES).contains(&name.len());
            if !fits || has_hidden_characters(name) {
                return Err(WorkloadRuleError::WrongName);
            }
            if ["iss", "sub", "aud", "exp", "iat", "nbf"].contains(&name.as_str()) {
                return Err(WorkloadRuleError::Reserved(name.clone()));
            }
        }
        Ok(())
    }

    /// True when these claims, whose signature was checked, are the application's. A claim that
    /// is missing, or is no text, number or truth value, is never what a rule says.
    pub fn matches(&self, claims: &Map<String, Value>) -> bool {
        if self.check().is_err() {
            return false;
        }
        let is = |found: Option<&Value>, pattern: &ClaimPattern| match found {
            Some(Value::String(text)) => pattern.matches(text),
            Some(Value::Bool(value)) => pattern.as_str() == if *value { "true" } else { "false" },
            Some(Value::Number(value)) => value.to_string().as_str() == pattern.as_str(),
            _ => false,
        };
        let subject = self.subject.as_ref();
        subject.is_none_or(|pattern| is(claims.get("sub"), pattern))
            && (self.claims.iter()).all(|(name, pattern)| is(find(claims, name), pattern))
    }
}

/// A claim by its name, or by a JSON pointer where no claim is called that.
fn find<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    if let Some(found) = claims.get(name) {
        return Some(found);
    }
    let (first, rest) = match name.strip_prefix('/')?.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (name.strip_prefix('/')?, None),
    };
    let first = claims.get(&first.replace("~1", "/").replace("~0", "~"))?;
    match rest {
        Some(rest) => first.pointer(&format!("/{rest}")),
        None => Some(first),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rule(subject: Option<&str>, claims: &[(&str, &str)]) -> WorkloadRule {
        let claims = claims.iter();
        WorkloadRule {
            issuer: "ci".parse().unwrap(),
            subject: subject.map(|text| text.parse().unwrap()),
            claims: claims
                .map(|(name, text)| ((*name).to_owned(), text.parse().unwrap()))
                .collect(),
        }
    }

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn every_condition_must_hold() {
        let claims = map(json!({
            "sub": "repo:acme/x:ref:refs/heads/main", "repository": "acme/x", "run": 7, "protected": true,
            "groups": ["acme/x"], "kubernetes.io": { "namespace": "prod", "serviceaccount": { "name": "bot" } },
        }));
        for (subject, conditions, expected) in [
            (Some("repo:acme/x:ref:refs/heads/main"), vec![], true),
            (Some("repo:acme/x:*"), vec![("repository", "acme/x")], true),
            (Some("repo:acme/x:*"), vec![("repository", "acme/y")], false),
            (Some("repo:acme/y:*"), vec![("repository", "acme/x")], false),
            (None, vec![("repository", "acme/*")], true),
            (None, vec![("missing", "x")], false),
            (None, vec![("run", "7")], true),
            (None, vec![("run", "70")], false),
            (None, vec![("protected", "true")], true),
            // A list is many values: which of them would count?
            (None, vec![("groups", "acme/x")], false),
            (None, vec![("/kubernetes.io/namespace", "prod")], true),
            (
                None,
                vec![("/kubernetes.io/serviceaccount/name", "bot")],
                true,
            ),
            (
                None,
                vec![("/kubernetes.io/serviceaccount/name", "bots")],
                false,
            ),
            (None, vec![("/kubernetes.io", "prod")], false),
        ] {
            let rule = rule(subject, &conditions);
            assert_eq!(rule.matches(&claims), expected, "{rule:?}");
        }
    }

    #[test]
    fn a_rule_that_tells_nobody_apart_lets_nobody_in() {
        let none = rule(None, &[]);
        assert_eq!(none.check(), Err(WorkloadRuleError::NoCondition));
        assert!(!none.matches(&map(json!({ "sub": "anybody" }))));
        let reserved = rule(None, &[("iss", "x")]);
        assert_eq!(
            reserved.check(),
            Err(WorkloadRuleError::Reserved("iss".to_owned()))
        );
        assert_eq!(
            rule(None, &[("", "x")]).check(),
            Err(WorkloadRuleError::WrongName)
        );
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            "[ab:/*]{0,4}".prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            (0..20_i64).prop_map(Value::from),
            Just(Value::Null),
            Just(json!(["a"])),
        ]
    }

    proptest! {
        /// Beside what a rule says, a token has nothing to say; and one condition more never
        /// lets more in.
        #[test]
        fn a_condition_only_narrows(
            claims in proptest::collection::btree_map("[a-d]", values(), 0..5),
            conditions in proptest::collection::btree_map("[a-d]", "[ab]{1,2}|[ab]{0,2}[:/]\\*", 1..4),
        ) {
            let claims: Map<_, _> = claims.into_iter().collect();
            let pairs: Vec<_> = conditions.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let all = rule(None, &pairs);
            let each = pairs.iter().all(|pair| rule(None, std::slice::from_ref(pair)).matches(&claims));
            prop_assert_eq!(all.matches(&claims), each);
            // A plain reading of the same conditions.
            let plain = conditions.iter().all(|(name, text)| match claims.get(name) {
                Some(Value::String(found)) => match text.strip_suffix('*') {
                    Some(beginning) => found.starts_with(beginning),
                    None => found == text,
                },
                Some(Value::Bool(found)) => *text == found.to_string(),
                Some(Value::Number(found)) => *text == found.to_string(),
                _ => false,
            });
            prop_assert_eq!(all.matches(&claims), plain);
        }
    }
}

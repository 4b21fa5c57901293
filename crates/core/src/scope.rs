//! Scopes: what a resource lets a caller do, in OAuth's terms (RFC 6749, section 3.3).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Why a text is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a scope: {why}")]
pub struct ScopeError {
    text: String,
    why: &'static str,
}

/// One scope: 1 to 128 characters of RFC 6749's `scope-token`. The prefix `caracal:` is reserved.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Box<str>);

impl Scope {
    /// The scope as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Scope {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let refuse = |why| {
            let text = text.chars().filter(|c| !c.is_control()).take(80).collect();
            Err(ScopeError { text, why })
        };
        if text.is_empty() || text.len() > 128 {
            return refuse("use 1 to 128 characters");
        }
        if !text
            .bytes()
            .all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
        {
            return refuse("use visible ASCII without spaces, quotes and backslashes");
        }
        if text.starts_with("caracal:") {
            return refuse("the prefix `caracal:` is reserved");
        }
        Ok(Self(text.into()))
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A set of scopes, written as OAuth's space-separated list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeSet(BTreeSet<Scope>);

impl ScopeSet {
    /// True when no scope is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True when the scope is in the set.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// Adds a scope.
    pub fn insert(&mut self, scope: Scope) {
        self.0.insert(scope);
    }

    /// The number of scopes.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, scope) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl FromStr for ScopeSet {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        text.split(' ')
            .filter(|s| !s.is_empty())
            .map(Scope::from_str)
            .collect()
    }
}

impl Serialize for ScopeSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// For `#[serde(with)]`: a set as a JSON array, where a list is more natural than OAuth's text.
pub(crate) mod plain_list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Scope, ScopeSet};

    pub(crate) fn serialize<S: Serializer>(
        set: &ScopeSet,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        set.0.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ScopeSet, D::Error> {
        Vec::<Scope>::deserialize(deserializer).map(ScopeSet::from_iter)
    }
}

/// For `#[serde(with)]`: the same of an optional set.
pub(crate) mod list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Scope, ScopeSet};

    pub(crate) fn serialize<S: Serializer>(
        set: &Option<ScopeSet>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        set.as_ref().map(|set| &set.0).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<ScopeSet>, D::Error> {
        let scopes = Option::<Vec<Scope>>::deserialize(deserializer)?;
        Ok(scopes.map(ScopeSet::from_iter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_follow_rfc_6749() {
        assert!("openai:chat".parse::<Scope>().is_ok());
        for bad in [
            "",
            "a b",
            "a\"b",
            "a\\b",
            "caracal:lend",
            "ä",
            &"x".repeat(129),
        ] {
            assert!(bad.parse::<Scope>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_set_has_one_spelling() {
        let set: ScopeSet = "b  a b".parse().unwrap();
        assert_eq!(set.to_string(), "a b");
        assert_eq!(serde_json::to_string(&set).unwrap(), "\"a b\"");
    }
}

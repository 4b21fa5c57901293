//! The names of a zone that policies may use.

use std::collections::{BTreeMap, BTreeSet};

use caracal_core::{Name, Scope};

/// What the schema is generated from: a policy that uses any other name is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vocabulary {
    /// The registered applications.
    pub applications: BTreeSet<Name>,
    /// The registered resources and the scopes that each declares.
    pub resources: BTreeMap<Name, Vec<Scope>>,
}

impl Vocabulary {
    /// True when some resource declares the scope.
    pub fn declares(&self, scope: &str) -> bool {
        self.resources
            .values()
            .flatten()
            .any(|own| own.as_str() == scope)
    }
}

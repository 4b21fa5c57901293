//! What a plan changes, before and after.

use caracal_core::{Application, Issuer, PolicySet, Provider, Resource, Sink};
use serde::{Deserialize, Serialize};

/// One line of what a plan does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppliedChange {
    /// `create`, `update`, `delete` or `activate`.
    pub action: String,
    /// The noun of the object.
    pub noun: String,
    /// Its name; for a bundle its version.
    pub name: String,
    /// The object before, without its secrets.
    #[serde(default)]
    pub before: Option<ChangedObject>,
    /// The object after, without its secrets.
    #[serde(default)]
    pub after: Option<ChangedObject>,
    /// What happens to the secret of a provider.
    #[serde(default)]
    pub secret: Option<SecretChange>,
}

/// An object of the configuration. It never holds a secret, sealed or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ChangedObject {
    /// An application.
    Application(Application),
    /// A resource.
    Resource(Box<Resource>),
    /// A provider.
    Provider(Provider),
    /// A sink.
    Sink(Sink),
    /// An outside issuer.
    Issuer(Box<Issuer>),
    /// The policies and tests of a bundle.
    Bundle(PolicySet),
}

/// What happens to the secret of a provider; never what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretChange {
    /// It is a new provider's.
    Set,
    /// It is another one than the stored one.
    Changed,
    /// It stays as it is.
    Unchanged,
    /// The stored one cannot be opened, so nothing can be said.
    Unknown,
    /// The provider has none any more.
    Removed,
}

impl SecretChange {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Unknown => "unknown",
            Self::Removed => "removed",
        }
    }
}

impl AppliedChange {
    pub(super) fn new(action: &str, noun: &str, name: &str) -> Self {
        Self {
            action: action.to_owned(),
            noun: noun.to_owned(),
            name: name.to_owned(),
            before: None,
            after: None,
            secret: None,
        }
    }
}

impl ChangedObject {
    pub(super) fn application(value: &Application) -> Self {
        Self::Application(Application {
            secrets: Vec::new(),
            ..value.clone()
        })
    }

    pub(super) fn resource(value: &Resource) -> Self {
        Self::Resource(Box::new(value.clone()))
    }

    pub(super) fn provider(value: &Provider) -> Self {
        Self::Provider(Provider {
            secret: None,
            ..value.clone()
        })
    }

    pub(super) fn sink(value: &Sink) -> Self {
        Self::Sink(Sink {
            secret: None,
            older: None,
            ..value.clone()
        })
    }

    /// The policies and tests of `own` that `other` does not have as they are.
    pub(super) fn bundle(own: &PolicySet, other: &PolicySet) -> Self {
        Self::Bundle(PolicySet {
            policies: missing(&own.policies, &other.policies),
            tests: missing(&own.tests, &other.tests),
        })
    }
}

fn missing<T: PartialEq + Clone>(own: &[T], other: &[T]) -> Vec<T> {
    let differs = |held: &&T| !other.contains(held);
    own.iter().filter(differs).cloned().collect()
}

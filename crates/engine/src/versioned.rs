//! Objects with the version that `If-Match` speaks of.

use caracal_core::Version;
use serde::{Deserialize, Serialize};

use crate::view::Stored;

/// An object and its stored version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Versioned<T> {
    /// The version.
    pub version: Version,
    /// The object.
    pub value: T,
}

impl<T: Clone> Versioned<T> {
    pub(crate) fn of(stored: &Stored<T>) -> Self {
        Self {
            version: stored.version,
            value: stored.value.clone(),
        }
    }
}

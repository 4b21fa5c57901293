//! Named objects of one kind.

use std::sync::Arc;

use caracal_core::{Name, Version};
use uuid::Uuid;

/// An object with its stored version.
#[derive(Debug, Clone)]
pub(crate) struct Stored<T> {
    pub(crate) version: Version,
    pub(crate) value: T,
}

/// Objects of one kind by name and by id; cloning costs nothing.
#[derive(Debug)]
pub(crate) struct Table<T> {
    by_name: imbl::OrdMap<Name, Arc<Stored<T>>>,
    names: imbl::HashMap<Uuid, Name>,
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self {
            by_name: self.by_name.clone(),
            names: self.names.clone(),
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            by_name: imbl::OrdMap::new(),
            names: imbl::HashMap::new(),
        }
    }
}

impl<T> Table<T> {
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Stored<T>>> {
        self.by_name.get(name)
    }

    pub(crate) fn find_by_id(&self, id: Uuid) -> Option<&Arc<Stored<T>>> {
        self.names.get(&id).and_then(|name| self.by_name.get(name))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Stored<T>>> {
        self.by_name.values()
    }

    /// The objects whose name comes after `name`, in order.
    pub(crate) fn iter_after(&self, name: Option<&Name>) -> impl Iterator<Item = &Arc<Stored<T>>> {
        let after = name.cloned();
        let start = match &after {
            Some(name) => std::ops::Bound::Excluded(name.clone()),
            None => std::ops::Bound::Unbounded,
        };
        self.by_name
            .range((start, std::ops::Bound::Unbounded))
            .map(|(_, value)| value)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(crate) fn insert(&mut self, id: Uuid, name: Name, stored: Stored<T>) {
        self.names.insert(id, name.clone());
        self.by_name.insert(name, Arc::new(stored));
    }

    pub(crate) fn remove(&mut self, id: Uuid) {
        if let Some(name) = self.names.remove(&id) {
            self.by_name.remove(&name);
        }
    }
}

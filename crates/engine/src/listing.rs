//! Pages of objects.

use std::sync::Arc;

use caracal_core::Name;

use crate::Versioned;
use crate::view::{Stored, Table};

/// Objects ordered by name, and where to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<T> {
    /// At most as many as were asked for.
    pub items: Vec<Versioned<T>>,
    /// The last name, when there are more.
    pub next: Option<Name>,
}

/// Objects without a name, ordered by id.
#[derive(Debug, Clone, PartialEq)]
pub struct IdListing<T> {
    /// At most as many as were asked for.
    pub items: Vec<Versioned<T>>,
    /// True when there are more after the last one.
    pub has_more: bool,
}

impl<T: Clone> IdListing<T> {
    pub(crate) fn of<'v>(objects: impl Iterator<Item = &'v Arc<Stored<T>>>, limit: usize) -> Self
    where
        T: 'v,
    {
        let limit = limit.clamp(1, 1000);
        let mut items: Vec<_> = objects
            .take(limit + 1)
            .map(|held| Versioned::of(held))
            .collect();
        let has_more = items.len() > limit;
        items.truncate(limit);
        Self { items, has_more }
    }
}

impl<T: Clone> Listing<T> {
    pub(crate) fn of(
        table: &Table<T>,
        after: Option<&Name>,
        limit: usize,
        name: fn(&T) -> &Name,
    ) -> Self {
        let limit = limit.clamp(1, 1000);
        let mut rest = table.iter_after(after);
        let items: Vec<_> = rest
            .by_ref()
            .take(limit)
            .map(|s| Versioned::of(s))
            .collect();
        let next = rest
            .next()
            .and_then(|_| items.last().map(|last| name(&last.value).clone()));
        Self { items, next }
    }
}

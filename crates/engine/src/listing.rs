//! Pages of objects.

use caracal_core::Name;

use crate::Versioned;
use crate::view::Table;

/// Objects ordered by name, and where to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<T> {
    /// At most as many as were asked for.
    pub items: Vec<Versioned<T>>,
    /// The last name, when there are more.
    pub next: Option<Name>,
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

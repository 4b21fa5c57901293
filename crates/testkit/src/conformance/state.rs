//! Checks of the state store.

pub(super) mod claims;
pub(super) mod commit;
pub(super) mod concurrency;
pub(super) mod history;
pub(super) mod names;
pub(super) mod refusal;

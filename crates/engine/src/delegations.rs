//! Delegations: narrower authority from one session to another.

mod accept;
mod create;
mod end;
mod lending;
mod list;

pub use create::CreateDelegation;
pub(crate) use lending::Lending;
pub use list::BlastRadius;

/// How long a delegation lives when nothing else is asked for, in seconds: an hour. It never
/// lives longer than what it is taken from.
pub const DEFAULT_DELEGATION_SECONDS: u32 = 3600;
/// The most delegations that one session lends at a time.
pub const MAX_LENT: usize = 10_000;
/// The most delegations that one session may use at a time.
pub const MAX_BORROWED: usize = 64;
/// The most delegations that are tried for one that suffices, when none is named.
pub(crate) const MAX_TRIED: usize = 8;

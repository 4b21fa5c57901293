//! Sessions: governed runs of work.

mod end;
mod hold;
mod list;
mod open;
mod sweep;

pub use list::{SessionAuthority, SessionFilter};
pub(crate) use open::seconds_until;
pub use open::{OpenSession, OpenedSession};

/// How long a session lives when nothing else is asked for, in seconds: an hour.
pub const DEFAULT_SESSION_SECONDS: u32 = 3600;
/// The longest life of a session, in seconds: thirty days.
pub const MAX_SESSION_SECONDS: u32 = 30 * 24 * 3600;
/// The shortest and the longest time between two heartbeats, in seconds.
pub const HEARTBEAT_SECONDS: std::ops::RangeInclusive<u32> = 2..=3600;
/// The most sessions directly below one.
pub const MAX_CHILDREN: usize = 10_000;
/// The most labels of one session.
pub const MAX_SESSION_LABELS: usize = 64;

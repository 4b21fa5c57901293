//! Where the engine gets the time from.

use jiff::Timestamp;

/// Zone time. The binary brings the wall clock that never goes backwards, tests bring a fake.
pub trait Clock: Send + Sync + 'static {
    /// The time now; never before an earlier answer.
    fn now(&self) -> Timestamp;
}

//! Why there is no place.

use thiserror::Error;

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TurnedAway {
    /// The application or its zone has all that it may have, or too many of its own wait.
    #[error("this application or its zone has too much going on at a time")]
    OwnShare,
    /// The places are taken by others as well.
    #[error("the server has more to do than it can")]
    Overloaded,
}

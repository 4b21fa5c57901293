//! How much of a server anybody may take: budgets of failures per source, and places that are
//! handed out fairly when there are too few.
//!
//! It counts and queues, and knows nothing of what is counted: no request, no mandate, no
//! setting. It must never keep anybody out for what another did, never grow with the number of
//! those who come, and never cost the uncontended way more than a few atomic steps.

mod failure_budget;
mod source;
mod turnstile;

pub use failure_budget::{FailureBudget, OverBudget};
pub use source::Source;
pub use turnstile::{Claimant, Place, TurnedAway, Turnstile, TurnstileLimits};

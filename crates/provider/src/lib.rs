//! An opened credential becomes an injection.
//!
//! This crate knows where each kind of credential goes in a request and nothing else: it
//! never opens a seal, never sends anything, and never writes a secret into a message.

mod check_kind;
mod check_secret;
mod inject;
mod inject_error;
mod slots;

pub use check_kind::check_kind;
pub use check_secret::{MAX_SECRET_BYTES, check_secret};
pub use inject::inject;
pub use inject_error::InjectError;
pub use slots::{Slots, slots};

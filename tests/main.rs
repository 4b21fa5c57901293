//! Stories: the real binary, real sockets, real files. One file per story.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a story fails by panicking, and starts the processes it needs"
)]

mod harness;
mod stories;

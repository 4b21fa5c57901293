//! Listening: every limit that keeps a hostile client from holding the door open.

mod accept;
mod connection;
mod options;

pub use accept::{serve_tcp, serve_unix};
pub use connection::serve_stream;
pub use options::ServeOptions;

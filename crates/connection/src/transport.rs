//! What a conversation runs on.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A stream of bytes that a conversation runs on.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Lets the end of the connection reach the client as a reset, where nothing else tells it
    /// that an answer is incomplete.
    fn reset_at_end(&self);
}

impl Transport for TcpStream {
    fn reset_at_end(&self) {
        // When it cannot be set, the connection is already gone.
        let _ = self.set_zero_linger();
    }
}

impl Transport for UnixStream {
    fn reset_at_end(&self) {}
}

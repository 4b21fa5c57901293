//! The local socket of the control API.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use crate::failure::{Context, Outcome};
use crate::home::{Home, HomeLock, SocketPath};

/// Listens on the home's socket, for this user alone. A socket that an ended process left is
/// taken away: whoever holds the lock knows that nobody listens on it.
pub(crate) fn bind(home: &Home, _held: &HomeLock) -> Outcome<UnixListener> {
    let shown = home.join("caracal.sock").display().to_string();
    remove(home);
    let path = SocketPath::of(home).context(format!("`{shown}`"))?;
    let listener = UnixListener::bind(path.path())
        .context(format!("the local socket `{shown}` cannot be made"))?;
    // The directory is closed to others already; this holds when it is opened later.
    std::fs::set_permissions(path.path(), std::fs::Permissions::from_mode(0o600))
        .context(format!("`{shown}`"))?;
    listener
        .set_nonblocking(true)
        .context(format!("`{shown}`"))?;
    Ok(listener)
}

/// Takes the socket away.
pub(crate) fn remove(home: &Home) {
    // One that stays is taken away by the next start.
    let _ = std::fs::remove_file(home.join("caracal.sock"));
}

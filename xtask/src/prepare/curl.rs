//! `curl`, with which stories speak TLS and HTTP/2 as others do.

use std::path::Path;

use crate::program;

/// The Debian package that brings it, when this machine has none that speaks HTTP/2.
pub(super) fn missing_packages(root: &Path) -> &'static [&'static str] {
    let version = program::find_output(program::command("curl", root).arg("--version"));
    match version {
        Some(version) if version.contains("HTTP2") => &[],
        _ => &["curl"],
    }
}

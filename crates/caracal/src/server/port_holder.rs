//! Who listens on a port, where the system lets us see it.

use std::fmt;
use std::path::Path;

/// A process that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortHolder {
    pid: u32,
    program: String,
}

impl PortHolder {
    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }
}

impl fmt::Display for PortHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} (`{}`)", self.pid, self.program)
    }
}

/// Finds the process that listens on a TCP port of any address. None where it belongs to
/// another user, or the system has no `/proc`.
pub(crate) fn find_holder(port: u16) -> Option<PortHolder> {
    let inodes = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .flat_map(|table| listeners(&std::fs::read_to_string(table).unwrap_or_default(), port));
    let targets: Vec<String> = inodes.map(|inode| format!("socket:[{inode}]")).collect();
    if targets.is_empty() {
        return None;
    }
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Ok(pid) = process.file_name().to_string_lossy().parse() else {
            continue;
        };
        if holds(&process.path(), &targets) {
            let program = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(PortHolder {
                pid,
                program: program.trim().to_owned(),
            });
        }
    }
    None
}

fn holds(process: &Path, targets: &[String]) -> bool {
    let Ok(handles) = std::fs::read_dir(process.join("fd")) else {
        return false;
    };
    handles.flatten().any(|handle| {
        let link = std::fs::read_link(handle.path()).unwrap_or_default();
        targets
            .iter()
            .any(|target| link.as_os_str() == target.as_str())
    })
}

/// The inodes of the listening sockets of a port in the text of `/proc/net/tcp`.
fn listeners(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let lines = table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_whitespace();
        let local = columns.nth(1)?;
        let state = columns.nth(1)?;
        let inode = columns.nth(5)?;
        (local.ends_with(&suffix) && state == "0A").then(|| inode.to_owned())
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_kernel_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0\n   \
                     1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0\n";
        assert_eq!(listeners(table, 8080), ["4711"]);
        assert!(listeners(table, 8081).is_empty());
    }
}

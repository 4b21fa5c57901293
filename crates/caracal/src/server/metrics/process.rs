//! The process itself, by the names that every dashboard knows. The recorder's counters are
//! whole numbers, and processor time is not, so these lines are written here.

use std::fmt::Write as _;
use std::sync::OnceLock;

static START: OnceLock<f64> = OnceLock::new();

/// Notes when the process started.
pub(super) fn note_start() {
    START.get_or_init(|| {
        let now = crate::clock::now();
        now.as_duration().as_secs_f64()
    });
}

/// Writes the lines. What the system does not tell is left out.
pub(super) fn write(page: &mut String) {
    let version = env!("CARGO_PKG_VERSION");
    let mut line = |name: &str, kind: &str, help: &str, value: Option<f64>| {
        let Some(value) = value else { return };
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n"
        );
    };
    line(
        "process_start_time_seconds",
        "gauge",
        "When the process started, in seconds since the epoch.",
        START.get().copied(),
    );
    line(
        "process_cpu_seconds_total",
        "counter",
        "Processor time of the process, user and system.",
        cpu_seconds(),
    );
    line(
        "process_resident_memory_bytes",
        "gauge",
        "Memory of the process that is in RAM.",
        memory_pages(1),
    );
    line(
        "process_virtual_memory_bytes",
        "gauge",
        "Address space of the process.",
        memory_pages(0),
    );
    line(
        "process_open_fds",
        "gauge",
        "Open file descriptors.",
        open_descriptors(),
    );
    line(
        "process_max_fds",
        "gauge",
        "The most file descriptors that may be open.",
        max_descriptors(),
    );
    line(
        "process_threads",
        "gauge",
        "Threads of the process.",
        stat_field(17),
    );
    let _ = write!(
        page,
        "# HELP caracal_build_info The release; the value is always 1.\n\
         # TYPE caracal_build_info gauge\ncaracal_build_info{{version=\"{version}\"}} 1\n"
    );
}

/// A field of `/proc/self/stat` by its place after the program's name, which is in parentheses
/// and may hold anything.
fn stat_field(place: usize) -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(place)?.parse().ok()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "ticks per second and bytes per page are small"
)]
fn cpu_seconds() -> Option<f64> {
    let ticks = stat_field(11)? + stat_field(12)?;
    Some(ticks / rustix::param::clock_ticks_per_second() as f64)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "ticks per second and bytes per page are small"
)]
fn memory_pages(place: usize) -> Option<f64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: f64 = pages.split_whitespace().nth(place)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as f64)
}

#[expect(clippy::cast_precision_loss, reason = "there are not so many")]
fn open_descriptors() -> Option<f64> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // The directory that is being read is one of them.
    Some(open.saturating_sub(1) as f64)
}

#[expect(clippy::cast_precision_loss, reason = "there are not so many")]
fn max_descriptors() -> Option<f64> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current.map(|limit| limit as f64)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_described() {
        note_start();
        let mut page = String::new();
        write(&mut page);
        for name in [
            "process_start_time_seconds",
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_open_fds",
            "process_max_fds",
            "process_threads",
        ] {
            let line = page
                .lines()
                .find(|line| line.starts_with(&format!("{name} ")));
            let value: f64 = line.unwrap().rsplit_once(' ').unwrap().1.parse().unwrap();
            assert!(value >= 0.0, "{name}");
        }
        assert!(memory_pages(1).unwrap() > 1024.0 * 1024.0);
        assert!(page.contains("caracal_build_info{version=\""));
    }
}

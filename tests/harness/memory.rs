//! What a process takes of memory, as the kernel counts it.

/// The memory of a process, watched from a moment on.
pub struct Memory {
    pid: i32,
    begin: u64,
}

impl Memory {
    /// Begins to watch; what was taken before does not count.
    pub fn watch(pid: i32) -> Self {
        // Documented in proc(5): the highest use becomes the present one.
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
        let begin = figure(pid, "VmRSS:");
        Self { pid, begin }
    }

    /// How many bytes more are taken now.
    pub fn growth(&self) -> u64 {
        figure(self.pid, "VmRSS:").saturating_sub(self.begin)
    }

    /// How many bytes more were taken at most.
    pub fn highest_growth(&self) -> u64 {
        figure(self.pid, "VmHWM:").saturating_sub(self.begin)
    }
}

fn figure(pid: i32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

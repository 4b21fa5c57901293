//! A log file that turns over, written by a thread of its own: a disk that is slow, full or not
//! writable never holds up who logs. What cannot be written is counted and told later.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use crate::home::append;

/// How many lines wait to be written; further ones are lost.
const QUEUE: usize = 8192;
/// How long after a failure the file is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How long the end of a process waits for what is queued.
const FLUSH: Duration = Duration::from_secs(1);

/// How large the files become, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogSize {
    /// When the file turns over, in bytes.
    pub(crate) bytes: u64,
    /// How many files are kept, the current one included.
    pub(crate) files: usize,
}

impl LogSize {
    /// The smallest file, in bytes.
    pub(crate) const MIN_BYTES: u64 = 16 * 1024;
    /// The most files.
    pub(crate) const MAX_FILES: usize = 100;
}

impl Default for LogSize {
    fn default() -> Self {
        Self {
            bytes: 10 * 1024 * 1024,
            files: 5,
        }
    }
}

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// The callers' side.
#[derive(Clone)]
pub(crate) struct LogFile {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

impl LogFile {
    /// Begins to write. A file that cannot be opened is tried again later.
    pub(crate) fn open(path: &Path, size: LogSize) -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let files = Files::new(path, size, Arc::clone(&lost));
        std::thread::Builder::new()
            .name("caracal-log".to_owned())
            .spawn(move || files.run(&lines))?;
        Ok(Self { queue, lost })
    }

    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("caracal_log_lines_lost_total").increment(1);
    }

    /// Waits a moment for what is queued.
    fn flush(&self) {
        let (sender, done) = sync_channel(1);
        if self.queue.try_send(Message::Flush(sender)).is_ok() {
            // The disk may hang; the process ends all the same.
            let _ = done.recv_timeout(FLUSH);
        }
    }
}

/// Writes what is queued when it is dropped.
pub(crate) struct LogGuard(pub(crate) Option<LogFile>);

impl LogGuard {
    /// Waits a moment for what is queued, before the process becomes another program.
    pub(crate) fn flush(&self) {
        if let Some(file) = &self.0 {
            file.flush();
        }
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The thread's side: `NAME` is written; when it is full it becomes `NAME.1`, that `NAME.2`, …
struct Files {
    path: PathBuf,
    size: LogSize,
    lost: Arc<AtomicU64>,
    current: Option<(File, u64)>,
    /// When the file failed last.
    failed: Option<Instant>,
    /// True when the file ends within a line.
    torn: bool,
}

impl Files {
    fn new(path: &Path, size: LogSize, lost: Arc<AtomicU64>) -> Self {
        Self {
            path: path.to_owned(),
            size,
            lost,
            current: None,
            failed: None,
            torn: false,
        }
    }

    fn run(mut self, lines: &Receiver<Message>) {
        loop {
            match lines.recv_timeout(RETRY) {
                Ok(Message::Line(line)) => self.take(&line),
                Ok(Message::Flush(done)) => {
                    // Who waits may have given up.
                    let _ = done.try_send(());
                }
                // Nobody logs just now: what was lost is told all the same.
                Err(RecvTimeoutError::Timeout) => self.take(b""),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn take(&mut self, line: &[u8]) {
        let lose = |files: &Self| {
            if !line.is_empty() {
                files.lost.fetch_add(1, Ordering::Relaxed);
                metrics::counter!("caracal_log_lines_lost_total").increment(1);
            }
        };
        if self.failed.is_some_and(|at| at.elapsed() < RETRY) {
            return lose(self);
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let mut told = Vec::new();
        if lost > 0 {
            told = format!("{lost} lines of the log were lost: it could not be written\n")
                .into_bytes();
        }
        if told.is_empty() && line.is_empty() {
            return;
        }
        told.extend_from_slice(line);
        match self.write(&told) {
            Ok(()) => self.failed = None,
            Err(_) => {
                self.failed = Some(Instant::now());
                self.current = None;
                self.lost.fetch_add(lost, Ordering::Relaxed);
                lose(self);
            }
        }
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        if self.current.is_none() {
            let file = append(&self.path)?;
            let size = file.metadata()?.len();
            self.current = Some((file, size));
        }
        let is_full = self
            .current
            .as_ref()
            .is_some_and(|(_, size)| *size > 0 && size.saturating_add(length) > self.size.bytes);
        if is_full {
            self.turn_over()?;
            self.current = Some((append(&self.path)?, 0));
        }
        let Some((file, size)) = &mut self.current else {
            return Ok(());
        };
        if self.torn {
            file.write_all(b"\n")?;
            self.torn = false;
        }
        *size = size.saturating_add(length);
        // Until all of it is there the file may end anywhere.
        self.torn = true;
        file.write_all(text)?;
        self.torn = false;
        Ok(())
    }

    fn turn_over(&self) -> io::Result<()> {
        if self.size.files <= 1 {
            return std::fs::remove_file(&self.path);
        }
        for n in (1..self.size.files).rev() {
            let from = if n == 1 {
                self.path.clone()
            } else {
                numbered(&self.path, n - 1)
            };
            match std::fs::rename(from, numbered(&self.path, n)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The name of an older file of a log: 1 is the one before the current one.
pub(crate) fn numbered(path: &Path, n: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

/// One line on its way into the queue.
pub(crate) struct Line<'a>(&'a LogFile);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self
            .0
            .queue
            .try_send(Message::Line(bytes.to_vec()))
            .is_err()
        {
            self.0.lose();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(path: &Path, bytes: u64) -> Files {
        Files::new(path, LogSize { bytes, files: 5 }, Arc::default())
    }

    #[test]
    fn a_full_file_turns_over_and_only_five_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log/caracal.log");
        let mut log = files(&path, 10);
        for n in 0..8 {
            log.take(format!("line {n}\n").as_bytes());
        }
        // A restart goes on in the same file.
        drop(log);
        let mut log = files(&path, 20);
        log.take(b"line 8\n");
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        assert_eq!(read(&path), "line 7\nline 8\n");
        assert_eq!(read(&numbered(&path, 4)), "line 3\n");
        assert_eq!(
            std::fs::read_dir(dir.path().join("log")).unwrap().count(),
            5
        );
    }

    #[test]
    fn a_line_longer_than_the_file_is_written_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("caracal.log");
        files(&path, 4).take(b"too long\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"too long\n");
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_told_later() {
        let dir = tempfile::tempdir().unwrap();
        // A directory stands where the log's directory should be made: nothing can be opened.
        let place = dir.path().join("log");
        std::fs::write(&place, "in the way").unwrap();
        let path = place.join("caracal.log");
        let mut log = files(&path, 1000);
        for _ in 0..3 {
            log.take(b"lost\n");
        }
        assert_eq!(log.lost.load(Ordering::Relaxed), 3);
        std::fs::remove_file(&place).unwrap();
        log.failed = None;
        log.take(b"kept\n");
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "3 lines of the log were lost: it could not be written\nkept\n"
        );
    }

    #[test]
    fn the_end_of_the_process_waits_for_what_is_queued() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("caracal.log");
        let log = LogFile::open(&path, LogSize::default()).unwrap();
        let guard = LogGuard(Some(log.clone()));
        for n in 0..500 {
            log.make_writer()
                .write_all(format!("{n}\n").as_bytes())
                .unwrap();
        }
        drop(guard);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 500);
    }
}

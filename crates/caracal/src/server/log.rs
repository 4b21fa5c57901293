//! The server's log: to standard error, or to a file that turns over.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::failure::{Context, Failure, Outcome};
use crate::home::append;

/// When the file turns over, in bytes.
const MAX_BYTES: u64 = 10 * 1024 * 1024;
/// How many files are kept, the current one included.
const MAX_FILES: usize = 5;

/// Where the log goes.
pub(crate) enum LogTarget {
    /// Standard error, for servers in the foreground.
    StandardError,
    /// A file that turns over.
    File(PathBuf),
}

impl LogTarget {
    /// Begins to log at this level, once per process.
    pub(crate) fn install(self, level: &str) -> Outcome<()> {
        let filter = EnvFilter::try_new(level).map_err(|error| {
            Failure::usage(format!(
                "`CARACAL_LOG` is `{level}`, which is no log level: {error}"
            ))
            .hint("use `error`, `warn`, `info`, `debug` or `trace`")
        })?;
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false);
        let installed = match self {
            Self::StandardError => builder.with_writer(io::stderr).try_init(),
            Self::File(path) => {
                let file = RotatingFile::open(&path, MAX_BYTES)
                    .context(format!("the log `{}`", path.display()))?;
                builder.with_writer(file).try_init()
            }
        };
        installed.context("the log cannot be set up")
    }
}

/// A log file. When it is full, it becomes `NAME.1`, that becomes `NAME.2`, and so on.
struct RotatingFile {
    path: PathBuf,
    max_bytes: u64,
    current: Mutex<(File, u64)>,
}

impl RotatingFile {
    fn open(path: &Path, max_bytes: u64) -> io::Result<Self> {
        let file = append(path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            max_bytes,
            current: Mutex::new((file, size)),
        })
    }

    fn write(&self, line: &[u8]) -> io::Result<()> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if current.1 > 0 && current.1.saturating_add(length) > self.max_bytes {
            self.turn_over()?;
            *current = (append(&self.path)?, 0);
        }
        current.0.write_all(line)?;
        current.1 = current.1.saturating_add(length);
        Ok(())
    }

    fn turn_over(&self) -> io::Result<()> {
        for n in (1..MAX_FILES).rev() {
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

fn numbered(path: &Path, n: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

/// One line on its way into the file.
struct Line<'a>(&'a RotatingFile);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for RotatingFile {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// The last lines of a log, at most this many, from this offset on.
pub(crate) fn last_lines(path: &Path, count: usize, from: u64) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let begin = from.max(size.saturating_sub(1024 * 1024));
    file.seek(SeekFrom::Start(begin.min(size)))?;
    let mut bytes = Vec::new();
    file.take(2 * 1024 * 1024).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<String> = text.lines().rev().take(count).map(str::to_owned).collect();
    lines.reverse();
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_turns_over_and_only_five_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log/caracal.log");
        let log = RotatingFile::open(&path, 10).unwrap();
        for n in 0..8 {
            log.write(format!("line {n}\n").as_bytes()).unwrap();
        }
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        assert_eq!(read(&path), "line 7\n");
        assert_eq!(read(&numbered(&path, 4)), "line 3\n");
        assert_eq!(
            std::fs::read_dir(dir.path().join("log")).unwrap().count(),
            MAX_FILES
        );
    }

    #[test]
    fn a_line_longer_than_the_file_is_written_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("caracal.log");
        let log = RotatingFile::open(&path, 4).unwrap();
        log.write(b"too long\n").unwrap();
        assert_eq!(last_lines(&path, 9, 0).unwrap(), ["too long"]);
        assert!(last_lines(&path, 9, 9).unwrap().is_empty());
    }
}

//! The server's log: to standard error, or to a file that turns over.

mod flood;
mod rotating;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::failure::{Context, Failure, Outcome};
pub(crate) use flood::Flood;
pub(crate) use rotating::{LogGuard, LogSize, numbered};

use rotating::LogFile;

/// Where the log goes.
pub(crate) enum LogTarget {
    /// Standard error, for servers in the foreground.
    StandardError,
    /// A file that turns over.
    File(PathBuf),
}

impl LogTarget {
    /// Begins to log at this level, once per process. Keep the guard until the end.
    /// [`Flood::tell`] tells what is held back.
    pub(crate) fn install(self, level: &str, size: LogSize, flood: Flood) -> Outcome<LogGuard> {
        let filter = EnvFilter::try_new(level).map_err(|error| {
            Failure::usage(format!(
                "`CARACAL_LOG` is `{level}`, which is no log level: {error}"
            ))
            .hint("use `error`, `warn`, `info`, `debug` or `trace`")
        })?;
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false);
        let mut guard = LogGuard(None);
        let installed = match self {
            Self::StandardError => {
                let subscriber = builder.with_writer(io::stderr).finish();
                subscriber.with(flood).try_init()
            }
            Self::File(path) => {
                let file =
                    LogFile::open(&path, size).context(format!("the log `{}`", path.display()))?;
                guard = LogGuard(Some(file.clone()));
                builder.with_writer(file).finish().with(flood).try_init()
            }
        };
        installed.context("the log cannot be set up")?;
        Ok(guard)
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
    fn the_last_lines_begin_where_they_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("caracal.log");
        std::fs::write(&path, "first\nsecond\n").unwrap();
        assert_eq!(last_lines(&path, 9, 0).unwrap(), ["first", "second"]);
        assert_eq!(last_lines(&path, 1, 0).unwrap(), ["second"]);
        assert!(last_lines(&path, 9, 13).unwrap().is_empty());
    }
}

//! The server's log: to standard error, or to a file that turns over.

mod count;
mod flood;
mod rotating;
mod rules;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::failure::{Context, Outcome};
pub(crate) use flood::Flood;
pub(crate) use rotating::{LogGuard, LogSize, numbered};

pub(crate) use rules::LogRules;

use count::LineCount;
use rotating::LogFile;
use rules::LogFormat;

/// Where the log goes.
pub(crate) enum LogTarget {
    /// Standard error, for servers in the foreground.
    StandardError,
    /// A file that turns over.
    File(PathBuf),
}

impl LogTarget {
    /// Begins to log, once per process. Lines are counted: metrics come first. Keep the guard
    /// until the end. [`Flood::tell`] tells what is held back.
    pub(crate) fn install(
        self,
        rules: &LogRules,
        size: LogSize,
        flood: Flood,
    ) -> Outcome<LogGuard> {
        let filter = rules.filter()?;
        let lines = fmt::layer().with_ansi(false);
        let mut guard = LogGuard(None);
        let written: Box<dyn Layer<Registry> + Send + Sync> = match (self, rules.format) {
            (Self::StandardError, LogFormat::Text) => lines.with_writer(io::stderr).boxed(),
            (Self::StandardError, LogFormat::Json) => json(lines).with_writer(io::stderr).boxed(),
            (Self::File(path), format) => {
                let file =
                    LogFile::open(&path, size).context(format!("the log `{}`", path.display()))?;
                guard = LogGuard(Some(file.clone()));
                match format {
                    LogFormat::Text => lines.with_writer(file).boxed(),
                    LogFormat::Json => json(lines).with_writer(file).boxed(),
                }
            }
        };
        let subscriber = tracing_subscriber::registry()
            .with(written)
            .with(LineCount::new())
            .with(flood)
            .with(filter);
        subscriber.try_init().context("the log cannot be set up")?;
        Ok(guard)
    }
}

/// One object a line: the fields stand beside the message.
fn json(lines: fmt::Layer<Registry>) -> fmt::Layer<Registry, JsonFields, Format<Json>> {
    lines
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
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

//! The log of the local stack.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::LogsArgs;
use crate::failure::{Context, Failure, Outcome};
use crate::home::Home;
use crate::server::{LogSize, last_lines, numbered};
use crate::terminal;

/// `caracal logs`.
pub(crate) fn logs(home: &Home, args: &LogsArgs) -> Outcome<()> {
    let path = home.log();
    let size = std::fs::metadata(&path).map_or(0, |found| found.len());
    if !path.exists() {
        return Err(Failure::new(format!("there is no log `{}`", path.display()))
            .hint("`caracal up` starts the stack; `up --foreground` and `serve` log to standard error"));
    }
    let lines = last_lines(&path, args.lines, 0).context(format!("`{}`", path.display()))?;
    for line in lines {
        terminal::line(line)?;
    }
    if args.follow {
        follow(&path, size)
    } else {
        Ok(())
    }
}

/// Prints what is added, also after the file turned over, however often. It ends with its reader.
fn follow(path: &Path, from: u64) -> Outcome<()> {
    let shown = path.display();
    let mut file = File::open(path).context(format!("`{shown}`"))?;
    file.seek(SeekFrom::Start(from))
        .context(format!("`{shown}`"))?;
    loop {
        print_rest(&mut file)?;
        std::thread::sleep(Duration::from_millis(200));
        let own = file.metadata().context(format!("`{shown}`"))?.ino();
        let is_current = std::fs::metadata(path).map(|found| found.ino() == own);
        // Between two files there is none for a moment.
        if is_current.unwrap_or(true) {
            continue;
        }
        print_rest(&mut file)?;
        for newer in newer_than(path, own) {
            if let Ok(next) = File::open(newer) {
                file = next;
                print_rest(&mut file)?;
            }
        }
    }
}

/// The files of a log that were begun after the one with this inode, oldest first.
fn newer_than(path: &Path, own: u64) -> Vec<PathBuf> {
    let mut newer = vec![path.to_owned()];
    for n in 1..LogSize::MAX_FILES {
        let older = numbered(path, n);
        match std::fs::metadata(&older) {
            Ok(found) if found.ino() != own => newer.push(older),
            _ => break,
        }
    }
    newer.reverse();
    newer
}

fn print_rest(file: &mut File) -> Outcome<()> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .context("the log cannot be read")?;
    if bytes.is_empty() {
        Ok(())
    } else {
        terminal::raw(&String::from_utf8_lossy(&bytes))
    }
}

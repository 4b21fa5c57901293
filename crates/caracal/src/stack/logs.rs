//! The log of the local stack.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::cli::LogsArgs;
use crate::failure::{Context, Failure, Outcome};
use crate::home::Home;
use crate::server::last_lines;
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

/// Prints what is added, also after the file turned over. It ends with its reader.
fn follow(path: &Path, from: u64) -> Outcome<()> {
    let shown = path.display();
    let mut file = File::open(path).context(format!("`{shown}`"))?;
    file.seek(SeekFrom::Start(from))
        .context(format!("`{shown}`"))?;
    loop {
        print_rest(&mut file)?;
        std::thread::sleep(Duration::from_millis(200));
        let current = std::fs::metadata(path).map(|found| found.ino());
        let own = file.metadata().context(format!("`{shown}`"))?.ino();
        if current.is_ok_and(|ino| ino != own) {
            print_rest(&mut file)?;
            file = File::open(path).context(format!("`{shown}`"))?;
        }
    }
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

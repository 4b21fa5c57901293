//! `caracal backup`: a copy of everything that the store holds, and never of the master key.

mod archive;
#[cfg(test)]
pub(crate) mod fuzz;
mod manifest;
mod snapshot;
mod source;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use caracal_core::BackupId;
use caracal_store::sync_dir;

pub(crate) use archive::unpack;
pub(crate) use manifest::Manifest;
pub(crate) use snapshot::PLACE;
pub(crate) use source::source;

use crate::cli::{BackupArgs, Global};
use crate::client::{Api, Target};
use crate::environment::Environment;
use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, HomeLock, find_holder};
use crate::server::DiskRules;
use crate::{clock, terminal};
use snapshot::Snapshot;

/// How often people are told how far it is.
const TELL: Duration = Duration::from_secs(2);

/// `caracal backup`.
pub(crate) async fn backup(
    home: &Home,
    args: &BackupArgs,
    global: &Global,
    environment: &Environment,
) -> Outcome<()> {
    let path = target(&args.target)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = dir.unwrap_or(Path::new("."));
    // Of this user alone, and gone when anything fails.
    let mut file = tempfile::Builder::new()
        .prefix(".caracal-backup-")
        .tempfile_in(dir)
        .context(format!("`{}` cannot be written", dir.display()))?;
    let found = Target::find(global, environment, home)?;
    let is_running = find_holder(home)?.is_some();
    if matches!(found, Target::Local) && !is_running {
        take_stopped(home, file.as_file_mut())?;
    } else {
        download(&Api::connect(found, home)?, file.as_file_mut()).await?;
    }
    let shown = format!("`{}` cannot be written", path.display());
    file.as_file().sync_all().context(&shown)?;
    // What cannot be restored is no backup.
    let manifest = archive::check(file.path())?;
    file.persist_noclobber(&path)
        .map_err(|error| error.error)
        .context(&shown)?;
    sync_dir(&path).context(&shown)?;
    tell(&path, &manifest, global.json)
}

/// The file to write. It must not be there yet: a backup is never overwritten.
fn target(named: &Path) -> Outcome<PathBuf> {
    let path = if named.is_dir() {
        named.join(format!(
            "caracal-{}.tar",
            clock::now().strftime("%Y%m%dT%H%M%SZ")
        ))
    } else {
        named.to_owned()
    };
    if path.symlink_metadata().is_ok() {
        return Err(
            Failure::usage(format!("`{}` exists already", path.display()))
                .hint("name a new file, or a directory"),
        );
    }
    Ok(path)
}

/// Of a home that nobody serves, and that nobody may begin to serve meanwhile.
fn take_stopped(home: &Home, out: &mut std::fs::File) -> Outcome<()> {
    if !home.has_state() {
        return Err(
            Failure::new(format!("there is no data in `{}`", home.dir().display()))
                .hint("`CARACAL_HOME` or `--home` names another home"),
        );
    }
    let held = HomeLock::take(home)?;
    Snapshot::check_room(home, DiskRules::default())?;
    let now = clock::now();
    let id = BackupId::new(now, &caracal_crypto::random_bytes());
    let mut progress = Progress::new("copied");
    let snapshot = Snapshot::make(home, id, now, &mut |done, all| {
        progress.tell(done, Some(all))
    })?;
    let written = snapshot.write_to(std::io::BufWriter::with_capacity(1024 * 1024, out));
    drop((snapshot, held));
    written.context("the backup cannot be written")
}

async fn download(api: &Api, out: &mut std::fs::File) -> Outcome<()> {
    let mut answer = api.download("/v1/backup").await?;
    let mut progress = Progress::new("received");
    let mut received = 0_u64;
    while let Some(chunk) = answer.chunk().await.map_err(|_| {
        Failure::new("the backup broke off; nothing was written")
            .hint("`caracal logs` of the server tells why")
    })? {
        out.write_all(&chunk)
            .context("the backup cannot be written")?;
        received = received.saturating_add(u64::try_from(chunk.len()).unwrap_or(0));
        progress.tell(received, None);
    }
    Ok(())
}

fn tell(path: &Path, manifest: &Manifest, json: bool) -> Outcome<()> {
    if json {
        let mut value = serde_json::to_value(manifest).context("the manifest")?;
        if let Some(object) = value.as_object_mut() {
            object.insert("file".to_owned(), path.display().to_string().into());
        }
        return terminal::json(&value);
    }
    let zones = manifest.zones.len().saturating_sub(1);
    terminal::line(format_args!(
        "`{}`: backup `{}` of {zones} zones and {} events, {} MiB",
        path.display(),
        manifest.id,
        manifest.events(),
        manifest.bytes().div_ceil(1024 * 1024)
    ))?;
    terminal::note(
        "it does not hold the master key, without which it cannot be restored: keep that elsewhere",
    );
    Ok(())
}

/// Tells people how far it is, when it takes long.
struct Progress {
    what: &'static str,
    told: Instant,
}

impl Progress {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            told: Instant::now(),
        }
    }

    fn tell(&mut self, done: u64, all: Option<u64>) {
        if self.told.elapsed() < TELL {
            return;
        }
        self.told = Instant::now();
        let mib = |bytes: u64| bytes / (1024 * 1024);
        match all {
            Some(all) => terminal::note(format_args!(
                "{} {} of {} MiB",
                self.what,
                mib(done),
                mib(all)
            )),
            None => terminal::note(format_args!("{} {} MiB", self.what, mib(done))),
        }
    }
}

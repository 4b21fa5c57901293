//! A copy of a home's store on its way into an archive.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use caracal_core::{BackupId, ZoneId};
use caracal_crypto::Sha256Writer;
use caracal_store::{Copied, DATABASES, StoredHead};
use jiff::Timestamp;

use crate::backup::manifest::{Manifest, ManifestFile, ManifestLog, ManifestZone};
use crate::failure::{Context, Failure, Outcome};
use crate::home::Home;
use crate::server::DiskRules;

/// Where copies are made, in the home: the same file system has the room that was checked.
pub(crate) const PLACE: &str = "backing-up";

/// A copy of the store with its manifest. Its files go when it is dropped.
pub(crate) struct Snapshot {
    dir: PathBuf,
    pub(crate) manifest: Manifest,
}

impl Snapshot {
    /// Refuses when the copy has no room, or would leave a server with its reserve only.
    pub(crate) fn check_room(home: &Home, rules: DiskRules) -> Outcome<()> {
        let copied: u64 = DATABASES
            .iter()
            .flat_map(|name| [(*name).to_owned(), format!("{name}-wal")])
            .filter_map(|name| std::fs::metadata(home.join(name)).ok())
            .map(|found| found.len())
            .sum();
        let room = rules
            .measure(home.dir())
            .context("the disk cannot be measured")?;
        let spare = room.reserve.saturating_add(room.reserve / 2);
        let needed = copied.saturating_add(spare);
        if room.free < needed {
            const MIB: u64 = 1024 * 1024;
            return Err(Failure::new(format!(
                "a backup needs {} MiB in `{}` while it is made; {} MiB are free",
                needed.div_ceil(MIB),
                home.dir().display(),
                room.free / MIB
            )));
        }
        Ok(())
    }

    /// Copies the store of a home, which a server may be writing to.
    pub(crate) fn make(
        home: &Home,
        id: BackupId,
        taken_at: Timestamp,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Outcome<Self> {
        let dir = home.join(PLACE).join(id.to_string());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .context(format!("`{}`", dir.display()))?;
        // From here on the files go with it, whatever happens.
        let mut snapshot = Self {
            manifest: Manifest {
                format: Manifest::FORMAT,
                id,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                taken_at,
                instance: String::new(),
                zones: Vec::new(),
                logs: Vec::new(),
                files: Vec::new(),
            },
            dir,
        };
        let copied = Copied::make(home.dir(), &snapshot.dir, progress)
            .context("the data cannot be copied")?;
        let manifest = &mut snapshot.manifest;
        manifest.zones = copied
            .zones
            .into_iter()
            .map(|zone| ManifestZone {
                id: zone.id,
                name: zone.name,
                epoch: zone.position.epoch.0.to_string(),
                revision: zone.position.revision.0,
                hash: caracal_crypto::hex(&zone.position.hash),
            })
            .collect();
        let own = manifest
            .zones
            .iter()
            .find(|zone| zone.id == ZoneId::INSTANCE);
        manifest.instance = own.map(|zone| zone.epoch.clone()).unwrap_or_default();
        manifest.logs = copied.logs.into_iter().map(log).collect();
        for name in DATABASES {
            let (sha256, bytes) = digest(&snapshot.dir.join(name))
                .context(format!("the copy of `{name}` cannot be read"))?;
            manifest.files.push(ManifestFile {
                name: name.to_owned(),
                bytes,
                sha256,
            });
        }
        Ok(snapshot)
    }

    /// Writes the archive.
    pub(crate) fn write_to(&self, out: impl Write) -> io::Result<()> {
        let mut archive = tar::Builder::new(out);
        let mut add = |name: &str, bytes: u64, content: &mut dyn io::Read| {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes);
            header.set_mode(0o600);
            header.set_mtime(u64::try_from(self.manifest.taken_at.as_second()).unwrap_or(0));
            header.set_entry_type(tar::EntryType::Regular);
            archive.append_data(&mut header, name, content)
        };
        let text = serde_json::to_vec_pretty(&self.manifest)?;
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        add(Manifest::NAME, length, &mut text.as_slice())?;
        for file in &self.manifest.files {
            let mut content = File::open(self.dir.join(&file.name))?;
            add(&file.name, file.bytes, &mut content)?;
        }
        archive.into_inner()?.flush()
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // What stays is removed by the next start; the place itself only when it is empty.
        let _ = std::fs::remove_dir_all(&self.dir);
        if let Some(place) = self.dir.parent() {
            let _ = std::fs::remove_dir(place);
        }
    }
}

fn log(head: StoredHead) -> ManifestLog {
    ManifestLog {
        id: head.log.to_string(),
        size: head.size,
        checkpoint: head.checkpoint,
    }
}

fn digest(path: &Path) -> io::Result<(String, u64)> {
    let mut writer = Sha256Writer::new(io::sink());
    io::copy(&mut File::open(path)?, &mut writer)?;
    let (digest, bytes, _) = writer.finish();
    Ok((digest, bytes))
}

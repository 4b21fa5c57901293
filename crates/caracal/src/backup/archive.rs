//! Reading a backup. Nothing in it is believed before it is checked.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use caracal_crypto::Sha256Writer;
use caracal_store::DATABASES;

use crate::backup::manifest::{Manifest, ManifestFile};
use crate::failure::{Context, Failure, Outcome};

/// Reads a backup and gives its manifest, after every byte of it was checked against it.
pub(crate) fn check(path: &Path) -> Outcome<Manifest> {
    let (shown, file) = open(path)?;
    check_stream(file, &shown, |_| Ok(()))
}

/// Reads a backup from a stream that is shown to people as this. `accept` sees the manifest
/// before anything else was read.
pub(crate) fn check_stream(
    stream: impl Read,
    shown: &str,
    accept: impl FnOnce(&Manifest) -> Outcome<()>,
) -> Outcome<Manifest> {
    read(stream, shown, |_| Ok(Box::new(io::sink())), accept)
}

fn open(path: &Path) -> Outcome<(String, BufReader<File>)> {
    let shown = format!("`{}`", path.display());
    let file = File::open(path).context(&shown)?;
    Ok((shown, BufReader::with_capacity(1024 * 1024, file)))
}

/// Writes the files of a backup into an empty directory, synced, and checks every byte. `accept`
/// sees the manifest before anything is written.
pub(crate) fn unpack(
    path: &Path,
    into: &Path,
    accept: impl FnOnce(&Manifest) -> Outcome<()>,
) -> Outcome<Manifest> {
    let create = |name: &str| -> io::Result<Box<dyn Write>> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(into.join(name))?;
        Ok(Box::new(file))
    };
    let (shown, file) = open(path)?;
    let manifest = read(file, &shown, create, accept)?;
    for file in &manifest.files {
        let target = into.join(&file.name);
        File::open(&target)
            .and_then(|file| file.sync_all())
            .context(format!("`{}`", target.display()))?;
    }
    Ok(manifest)
}

fn read(
    stream: impl Read,
    shown: &str,
    create: impl Fn(&str) -> io::Result<Box<dyn Write>>,
    accept: impl FnOnce(&Manifest) -> Outcome<()>,
) -> Outcome<Manifest> {
    let mut archive = tar::Archive::new(stream);
    // Raw: names and sizes are what the headers say, and no extension of the format is followed.
    let mut entries = archive.entries().context(shown)?.raw(true);
    let text = {
        let mut entry = next(&mut entries, Manifest::NAME, shown)?;
        if entry.size() > Manifest::MAX_BYTES {
            return Err(damaged(shown, "its manifest is too long"));
        }
        let mut text = Vec::new();
        entry.read_to_end(&mut text).context(shown)?;
        if u64::try_from(text.len()).ok() != Some(entry.size()) {
            return Err(damaged(shown, "it is cut off"));
        }
        text
    };
    let manifest = Manifest::parse(&text, shown)?;
    let names: Vec<&str> = manifest.files.iter().map(|file| &*file.name).collect();
    if names != DATABASES {
        return Err(damaged(
            shown,
            "its manifest names other files than a backup has",
        ));
    }
    accept(&manifest)?;
    for file in &manifest.files {
        let mut entry = next(&mut entries, &file.name, shown)?;
        copy(file, &mut entry, create(&file.name).context(shown)?, shown)?;
    }
    if entries.next().is_some() {
        return Err(damaged(shown, "there is more in it than a backup has"));
    }
    Ok(manifest)
}

fn next<'a, R: Read>(
    entries: &mut tar::Entries<'a, R>,
    name: &str,
    shown: &str,
) -> Outcome<tar::Entry<'a, R>> {
    let entry = match entries.next() {
        Some(Ok(entry)) => entry,
        Some(Err(error)) => return Err(damaged(shown, &error.to_string())),
        None => return Err(damaged(shown, &format!("`{name}` is not in it"))),
    };
    let is_named = *entry.path_bytes() == *name.as_bytes();
    if !is_named || entry.header().entry_type() != tar::EntryType::Regular {
        return Err(damaged(
            shown,
            &format!("`{name}` is not where it has to be"),
        ));
    }
    Ok(entry)
}

fn copy(
    file: &ManifestFile,
    entry: &mut impl Read,
    target: Box<dyn Write>,
    shown: &str,
) -> Outcome<()> {
    let mut writer = Sha256Writer::new(target);
    // Never more than the manifest says.
    let copied = io::copy(&mut entry.take(file.bytes.saturating_add(1)), &mut writer);
    copied
        .and_then(|_| writer.flush())
        .context(format!("`{}` of {shown}", file.name))?;
    let (digest, bytes, _) = writer.finish();
    if bytes < file.bytes {
        return Err(damaged(shown, &format!("`{}` is cut off", file.name)));
    }
    if bytes > file.bytes || digest != file.sha256 {
        let why = format!("`{}` is not what the manifest says", file.name);
        return Err(damaged(shown, &why));
    }
    Ok(())
}

fn damaged(shown: &str, why: &str) -> Failure {
    Failure::new(format!("{shown} is no whole backup: {why}"))
        .hint("take another copy of it; nothing was changed")
}

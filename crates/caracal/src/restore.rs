//! `caracal restore`: a home from a backup, in which nothing counts that was issued before.

mod aside;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use caracal_core::NodeId;
use caracal_crypto::Keyring;
use caracal_engine::{Restore, RestoredZone, StartError};
use caracal_store::{Embedded, OpenOptions, StateStore, begin_epoch};
use serde_json::json;

use crate::backup::{Manifest, unpack};
use crate::cli::RestoreArgs;
use crate::environment::Environment;
use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, HomeLock, replace};
use crate::server::{Settings, SettingsLayer, load_master_key};
use crate::{clock, terminal};

/// Where a backup is unpacked, in the home.
const PLACE: &str = "restoring";
/// Stands in [`PLACE`] from the moment on from which the home's own files are moved.
const MOVING: &str = "moving";
/// What must stay free beside the unpacked files, in bytes.
const SPARE: u64 = 64 * 1024 * 1024;

/// `caracal restore`.
pub(crate) async fn restore(
    home: &Home,
    args: &RestoreArgs,
    environment: &Environment,
    json: bool,
) -> Outcome<()> {
    home.prepare()?;
    let held = HomeLock::take(home)?;
    let place = home.join(PLACE);
    let was_cut_off = is_cut_off(home);
    if aside::has_data(home) && !args.replace && !was_cut_off {
        return Err(
            Failure::new(format!("there is data in `{}`", home.dir().display())).hint(
                "`--replace` moves it aside and restores in its place; `--home` names another home",
            ),
        );
    }
    let settings = Settings::resolve(home.clone(), SettingsLayer::default(), environment, true)?;
    let keyring = keyring(&settings)?;
    let (manifest, zones) = match prepare(home, &place, args, &keyring, was_cut_off).await {
        Ok(done) => done,
        Err(failure) => {
            if !was_cut_off {
                // Nothing of the home was touched; what was unpacked is of no use.
                let _ = std::fs::remove_dir_all(&place);
            }
            return Err(failure);
        }
    };
    let unpacked = unpacked(&place);
    replace(&place.join(MOVING), b"").context(format!("`{}`", place.display()))?;
    let aside = aside::move_aside(home)?;
    aside::move_in(home, &unpacked)?;
    std::fs::remove_dir_all(&place).context(format!("`{}`", place.display()))?;
    drop(held);
    tell(home, &manifest, &zones, aside.as_deref(), json)
}

/// True when a restore was cut off while it moved the home's files.
pub(crate) fn is_cut_off(home: &Home) -> bool {
    home.join(PLACE).join(MOVING).exists()
}

/// Refuses a home in whose files a restore was cut off while it moved them, and clears away what
/// is left of an earlier attempt.
pub(crate) fn refuse_unfinished(home: &Home) -> Outcome<()> {
    let place = home.join(PLACE);
    if is_cut_off(home) {
        return Err(Failure::new(format!(
            "a restore into `{}` was cut off",
            home.dir().display()
        ))
        .hint("run the same `caracal restore` again; the data from before it is in `replaced`"));
    }
    // Of no use to anybody, but only in the way of the next restore.
    let _ = std::fs::remove_dir_all(place);
    let _ = std::fs::remove_dir_all(home.join(crate::backup::PLACE));
    Ok(())
}

/// The master key from its usual place. None is made: it would open nothing.
fn keyring(settings: &Settings) -> Outcome<Keyring> {
    let file = settings.home.join("master.key");
    let elsewhere = settings.master_key.is_some() || settings.master_key_command.is_some();
    if !elsewhere && !file.exists() {
        return Err(Failure::new("restoring needs the master key of the backup")
            .hint(format!("put it at `{}` (mode 0600), or set `CARACAL_MASTER_KEY` or `CARACAL_MASTER_KEY_COMMAND`", file.display())));
    }
    load_master_key(settings).map(|keys| keys.ring)
}

/// Unpacks the backup beside the home's own data and ends all authority in it.
async fn prepare(
    home: &Home,
    place: &Path,
    args: &RestoreArgs,
    keyring: &Keyring,
    was_cut_off: bool,
) -> Outcome<(Manifest, Vec<RestoredZone>)> {
    // In a restore that was cut off the marker stays until the end.
    let dir = place.join("data");
    let _ = std::fs::remove_dir_all(if was_cut_off { dir.as_path() } else { place });
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .context(format!("`{}`", dir.display()))?;
    let manifest = unpack(&args.file, &dir, |manifest| check_room(home, manifest))?;
    let damaged = |error: &dyn std::fmt::Display| {
        Failure::new(format!(
            "the data in `{}` cannot be restored: {error}",
            args.file.display()
        ))
    };
    let now = clock::now();
    let now = now.round(jiff::Unit::Millisecond).unwrap_or(now);
    begin_epoch(&dir, caracal_crypto::random_bytes()).map_err(|error| damaged(&error))?;
    let store = Embedded::open(&dir, OpenOptions::default()).map_err(|error| damaged(&error))?;
    let restore = Restore {
        state: &store,
        keyring,
        node: NodeId::new(now, &caracal_crypto::random_bytes()),
        now,
        backup: manifest.id,
        taken_at: manifest.taken_at,
        freeze: args.freeze,
    };
    let ended = async {
        restore.check_keys().await?;
        restore.end_all_authority().await
    };
    let ended = ended.await;
    StateStore::close(&store).await;
    caracal_store::EvidenceStore::close(&store).await;
    let zones = ended.map_err(|error| match error {
        StartError::Keys { .. } => Failure::new(format!(
            "`{}` was sealed with another master key: {error}",
            args.file.display()
        ))
        .hint("give the key that the backed-up instance had; nothing was changed"),
        error => damaged(&error),
    })?;
    for zone in &zones {
        let said = manifest.zones.iter().find(|said| said.id == zone.id);
        let hash = caracal_crypto::hex(&zone.position.hash);
        if said.is_none_or(|said| said.revision != zone.position.revision.0 || said.hash != hash) {
            return Err(damaged(&format!(
                "zone `{}` is not where the manifest says",
                zone.name
            )));
        }
    }
    Ok((manifest, zones))
}

fn check_room(home: &Home, manifest: &Manifest) -> Outcome<()> {
    let space = rustix::fs::statvfs(home.dir()).context("the disk cannot be measured")?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let needed = manifest.bytes().saturating_add(SPARE);
    if free < needed {
        const MIB: u64 = 1024 * 1024;
        return Err(Failure::new(format!(
            "restoring needs {} MiB in `{}`; {} MiB are free",
            needed.div_ceil(MIB),
            home.dir().display(),
            free / MIB
        )));
    }
    Ok(())
}

/// Where the restored files stand before they are moved in.
fn unpacked(place: &Path) -> PathBuf {
    place.join("data")
}

fn tell(
    home: &Home,
    manifest: &Manifest,
    zones: &[RestoredZone],
    aside: Option<&Path>,
    json: bool,
) -> Outcome<()> {
    let tokens: usize = zones.iter().map(|zone| zone.ended_tokens.len()).sum();
    if json {
        let zones = zones.iter().map(|zone| {
            json!({
                "id": zone.id, "name": zone.name, "revision": zone.position.revision.0, "log": zone.log,
                "ended_tokens": zone.ended_tokens, "frozen": zone.frozen,
            })
        });
        return terminal::json(&json!({
            "backup": manifest.id, "taken_at": manifest.taken_at, "home": home.dir(),
            "zones": zones.collect::<Vec<_>>(), "moved_aside": aside,
        }));
    }
    terminal::line(format_args!(
        "restored `{}` of {} (caracal {}) into `{}`",
        manifest.id,
        manifest.taken_at,
        manifest.version,
        home.dir().display()
    ))?;
    for zone in zones
        .iter()
        .filter(|zone| zone.id != caracal_core::ZoneId::INSTANCE)
    {
        terminal::line(format_args!(
            "  zone `{}` at revision {}{}; it goes on in the log `{}`",
            zone.name,
            zone.position.revision,
            if zone.frozen {
                ", frozen until `caracal thaw`"
            } else {
                ""
            },
            zone.log
        ))?;
    }
    terminal::line(format_args!(
        "ended: every mandate issued before now, every signing key, and {tokens} API tokens"
    ))?;
    if let Some(aside) = aside {
        terminal::line(format_args!(
            "the data that was here is in `{}`",
            aside.display()
        ))?;
    }
    terminal::note(format_args!(
        "what was revoked, rotated or removed after {} is back as it was then: look it through",
        manifest.taken_at
    ));
    Ok(())
}

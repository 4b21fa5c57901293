//! Watching the room on the disk, so that evidence never runs out of it by surprise.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use caracal_engine::{Engine, Room};
use metrics::gauge;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often it is measured. What can be written meanwhile is far less than the reserve.
const INTERVAL: Duration = Duration::from_millis(200);
/// From this share on the disk is nearly full, in percent.
const LOW: u64 = 80;
/// Below this share it has room again.
const CLEAR: u64 = 75;
const MIB: u64 = 1024 * 1024;
/// The most files of a home that are counted.
const MAX_FILES: usize = 100_000;

/// How much room a home may use, and how much of it is kept back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DiskRules {
    /// The most bytes that the home may take; none for as much as the disk has.
    pub(crate) quota: Option<u64>,
    /// The bytes kept for revoking and administering; none for the default.
    pub(crate) reserve: Option<u64>,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DiskRoom {
    /// All that there is, used or free, in bytes.
    pub(crate) total: u64,
    /// What is free.
    pub(crate) free: u64,
    /// What is kept back of it.
    pub(crate) reserve: u64,
}

impl DiskRules {
    /// Measures the room of a home.
    pub(crate) fn measure(&self, home: &Path) -> std::io::Result<DiskRoom> {
        let space = rustix::fs::statvfs(home)?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        // What only the superuser may use is not there for us.
        let used = space
            .f_blocks
            .saturating_sub(space.f_bfree)
            .saturating_mul(space.f_frsize);
        let (total, free) = match self.quota {
            None => (used.saturating_add(free), free),
            Some(quota) => (quota, free.min(quota.saturating_sub(size_of(home)))),
        };
        let reserve = self.reserve.unwrap_or_else(|| default_reserve(total));
        Ok(DiskRoom {
            total,
            free,
            reserve,
        })
    }
}

/// Two percent, at least 64 MiB and at most 1 GiB; of a small disk no more than a tenth.
fn default_reserve(total: u64) -> u64 {
    (total / 50).clamp(64 * MIB, 1024 * MIB).min(total / 10)
}

/// The bytes of all files in a directory, as the disk counts them.
fn size_of(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut places: Vec<PathBuf> = vec![dir.to_owned()];
    let (mut bytes, mut seen) = (0_u64, 0_usize);
    while let Some(place) = places.pop() {
        for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MAX_FILES {
                return u64::MAX;
            }
            // It may go away while it is looked at.
            let Ok(found) = entry.metadata() else {
                continue;
            };
            if found.is_dir() {
                places.push(entry.path());
            }
            bytes = bytes.saturating_add(found.blocks().saturating_mul(512));
        }
    }
    bytes
}

impl DiskRoom {
    /// What that means, after what it meant before: it takes a little more room to leave a
    /// level than to stay out of it.
    pub(crate) fn judge(&self, before: Room) -> Room {
        let keep = if before == Room::Reserve {
            self.reserve.saturating_add(self.reserve / 4)
        } else {
            self.reserve
        };
        if self.free < keep {
            return Room::Reserve;
        }
        let limit = if before == Room::Plenty { LOW } else { CLEAR };
        if self.used_percent() >= limit {
            Room::Low
        } else {
            Room::Plenty
        }
    }

    /// The share that is used, in percent, rounded down.
    pub(crate) fn used_percent(&self) -> u64 {
        let used = u128::from(self.total.saturating_sub(self.free));
        let percent = used * 100 / u128::from(self.total.max(1));
        u64::try_from(percent).unwrap_or(100)
    }

    /// In words.
    pub(crate) fn text(&self) -> String {
        format!(
            "{} MiB of {} MiB free ({} % used), {} MiB are the reserve",
            self.free / MIB,
            self.total / MIB,
            self.used_percent(),
            self.reserve / MIB
        )
    }
}

/// Measures again and again until the server stops.
pub(crate) struct DiskWatch {
    pub(crate) engine: Engine,
    pub(crate) home: PathBuf,
    pub(crate) rules: DiskRules,
}

impl DiskWatch {
    /// Measures once, and tells the engine.
    pub(crate) async fn look(self: &Arc<Self>) {
        let own = Arc::clone(self);
        let measured = tokio::task::spawn_blocking(move || own.rules.measure(&own.home)).await;
        // A disk that cannot be measured may still be written; when it cannot, that shows itself.
        let Ok(Ok(room)) = measured else { return };
        let now = room.judge(self.engine.room());
        gauge!("caracal_disk_room").set(f64::from(now as u8));
        self.engine.set_room(now, &room.text()).await;
    }

    /// Until the token is cancelled.
    pub(crate) async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = tick.tick() => self.look().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(free: u64) -> DiskRoom {
        DiskRoom {
            total: 1000,
            free,
            reserve: 40,
        }
    }

    #[test]
    fn levels_have_hysteresis() {
        use Room::{Low, Plenty, Reserve};
        let mut level = Plenty;
        for (free, expected) in [
            (500, Plenty),
            (201, Plenty),
            (200, Low),
            (240, Low),
            (251, Plenty),
            (240, Plenty),
            (100, Low),
            (40, Low),
            (39, Reserve),
            (49, Reserve),
            (50, Low),
            (39, Reserve),
            (900, Plenty),
            (0, Reserve),
        ] {
            level = room(free).judge(level);
            assert_eq!(level, expected, "{free} free");
        }
    }

    #[test]
    fn the_reserve_fits_the_disk() {
        const GIB: u64 = 1024 * MIB;
        assert_eq!(default_reserve(6 * MIB), 6 * MIB / 10);
        assert_eq!(default_reserve(GIB), 64 * MIB);
        assert_eq!(default_reserve(10 * GIB), 10 * GIB / 50);
        assert_eq!(default_reserve(10_000 * GIB), GIB);
    }

    #[test]
    fn a_quota_counts_what_the_home_holds() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("log")).unwrap();
        std::fs::write(dir.path().join("log/f"), vec![1; 300_000]).unwrap();
        let rules = DiskRules {
            quota: Some(MIB),
            reserve: Some(5),
        };
        let found = rules.measure(dir.path()).unwrap();
        assert_eq!((found.total, found.reserve), (MIB, 5));
        assert!(
            found.free < MIB - 300_000 && found.free > MIB - 400_000,
            "{found:?}"
        );
    }
}

//! A commit in a zone with few and one with many objects, in turns.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use caracal_crypto::MasterKey;
use caracal_store::OpenOptions;
use caracal_testkit::{FakeClock, SeededZone, TestEngine};

use crate::arguments::Options;
use crate::latency::Latency;
use crate::seed::Seed;

const FEW: u64 = 100;
const MANY: u64 = 100_000;

/// The median microseconds with few and with many.
pub(super) async fn run(options: &Options) -> Result<(f64, f64)> {
    let place = tempfile::tempdir_in(options.directory()?).context("cannot make a directory")?;
    let few = World::with(&place.path().join("few"), FEW).await?;
    let many = World::with(&place.path().join("many"), MANY).await?;
    let (mut of_few, mut of_many) = (Latency::new()?, Latency::new()?);
    let begin = Instant::now();
    for n in 0_u64.. {
        for (world, latency) in [(&few, &mut of_few), (&many, &mut of_many)] {
            let start = Instant::now();
            world.register(n).await?;
            // The first ones open files and fill caches.
            if n >= 10 {
                latency.record(start.elapsed());
            }
        }
        if n > 20 && begin.elapsed() > options.micro() {
            break;
        }
    }
    few.engine.engine.close().await;
    many.engine.engine.close().await;
    Ok((of_few.quantile_us(0.5), of_many.quantile_us(0.5)))
}

struct World {
    engine: TestEngine,
    zone: SeededZone,
}

impl World {
    async fn with(dir: &Path, objects: u64) -> Result<Self> {
        std::fs::create_dir_all(dir).context("cannot make a directory")?;
        let open = || TestEngine::embedded(dir, OpenOptions::default(), FakeClock::new());
        let engine = open().await;
        let spec = SeededZone::spec(
            "permit (principal, action, resource == Resource::\"resource://items\");",
        );
        let zone = engine.seed("bench", spec).await;
        engine.engine.close().await;
        drop(engine);
        let master = MasterKey::from_bytes(&TestEngine::MASTER_KEY)?;
        Seed { objects, events: 0 }.fill(dir, master).await?;
        Ok(Self {
            engine: open().await,
            zone,
        })
    }

    async fn register(&self, n: u64) -> Result<()> {
        let name = format!("measured-{n}");
        let (admin, spec) = (self.engine.admin(), SeededZone::application(&name));
        let engine = &self.engine.engine;
        let made = engine.create_application(self.zone.id, &admin, spec).await;
        made.map(drop)
            .map_err(|error| anyhow!("no commit: {error}"))
    }
}

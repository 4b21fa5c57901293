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

/// A twentieth of the objects are applications, so that there is room for more; the others are
/// revocations, which a zone may have any number of.
const FEW: Seed = Seed {
    applications: 5,
    revocations: 95,
    events: 0,
};
const MANY: Seed = Seed {
    applications: 5_000,
    revocations: 95_000,
    events: 0,
};

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
            let took = start.elapsed();
            world.delete(n).await?;
            // The first ones open files and fill caches.
            if n >= 10 {
                latency.record(took);
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
    async fn with(dir: &Path, seed: Seed) -> Result<Self> {
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
        seed.fill(dir, master).await?;
        Ok(Self {
            engine: open().await,
            zone,
        })
    }

    async fn register(&self, n: u64) -> Result<()> {
        let (admin, spec) = (self.engine.admin(), SeededZone::application(&name(n)));
        let engine = &self.engine.engine;
        let made = engine.create_application(self.zone.id, &admin, spec).await;
        made.map(drop)
            .map_err(|error| anyhow!("no commit: {error}"))
    }

    /// So that few objects stay few.
    async fn delete(&self, n: u64) -> Result<()> {
        let (admin, engine) = (self.engine.admin(), &self.engine.engine);
        let name = name(n);
        let gone = engine.delete_application(self.zone.id, &admin, &name);
        gone.await.map_err(|error| anyhow!("no commit: {error}"))
    }
}

fn name(n: u64) -> String {
    format!("measured-{n}")
}

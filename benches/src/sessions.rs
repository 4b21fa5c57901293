//! Sessions and delegations at the engine, with the embedded store: how many in a second, what
//! depth costs, and how long a revocation takes to cut what it ends.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use caracal_core::{Anchor, Authority, Receiver, SessionId};
use caracal_engine::{CreateDelegation, IssueRequest, OpenSession, Permit};
use caracal_store::{OpenOptions, Step, StepHook};
use caracal_testkit::{FakeClock, SeededZone, TestEngine};

use crate::arguments::Options;
use crate::latency::Latency;
use crate::measure::{Aim, Measure};

/// How many sessions are there already.
const PRESENT: usize = 100_000;
/// How many ask at a time.
const CLIENTS: usize = 128;
/// How many calls go on when one of them is revoked.
const STREAMS: usize = 1000;
/// How long a slow disk takes for one sync.
const SLOW_SYNC: Duration = Duration::from_millis(5);

/// Measures all of it.
pub(crate) async fn run(options: &Options) -> Result<Vec<Measure>> {
    let place = tempfile::tempdir_in(options.directory()?).context("cannot make a directory")?;
    let present = if options.is_quick() { 1000 } else { PRESENT };
    let mut measures = Vec::new();
    let world = World::new(&place.path().join("fast"), OpenOptions::default()).await?;
    let opened = world.fill(present).await?;
    let name = format!("sessions: opened in a second, up to {present}");
    measures.push(Measure::of(name, opened, "/s"));
    let world = Arc::new(world);
    let cycles = per_second(
        options,
        &world,
        |world, _| async move { world.cycle().await },
    )
    .await?;
    let name = format!("sessions: open and close, durable, {present} present");
    measures.push(Measure::of(name, cycles, "/s").aiming(Aim::AtLeast(2000.0)));
    let lent = per_second(
        options,
        &world,
        |world, n| async move { world.lend(n).await },
    )
    .await?;
    let name = format!("delegations made, durable, {present} sessions present");
    measures.push(Measure::of(name, lent, "/s").aiming(Aim::AtLeast(1000.0)));
    measures.extend(depth(options, &world).await?);
    measures.extend(cuts(&world).await?);
    world.test.engine.close().await;
    drop(world);
    let slow = OpenOptions {
        on_step: Some(slow_sync()),
        ..OpenOptions::default()
    };
    let world = Arc::new(World::new(&place.path().join("slow"), slow).await?);
    world.fill(1000).await?;
    let cycles = per_second(
        options,
        &world,
        |world, _| async move { world.cycle().await },
    )
    .await?;
    measures.push(Measure::of(
        "sessions: open and close, syncs of 5 ms",
        cycles,
        "/s",
    ));
    let lent = per_second(
        options,
        &world,
        |world, n| async move { world.lend(n).await },
    )
    .await?;
    measures.push(Measure::of("delegations made, syncs of 5 ms", lent, "/s"));
    world.test.engine.close().await;
    Ok(measures)
}

fn slow_sync() -> StepHook {
    Arc::new(|step| {
        if matches!(step, Step::BeforeStateCommit | Step::BeforeLedgerCommit) {
            std::thread::sleep(SLOW_SYNC);
        }
    })
}

struct World {
    test: TestEngine,
    zone: SeededZone,
    /// Some of the sessions that are there.
    known: std::sync::Mutex<Vec<SessionId>>,
}

impl World {
    async fn new(dir: &Path, options: OpenOptions) -> Result<Self> {
        std::fs::create_dir_all(dir).context("cannot make a directory")?;
        let test = TestEngine::embedded(dir, options, FakeClock::new()).await;
        let spec = SeededZone::spec("permit (principal, action, resource);");
        let zone = test.seed("bench", spec).await;
        Ok(Self {
            test,
            zone,
            known: std::sync::Mutex::default(),
        })
    }

    async fn open(&self, parent: Option<SessionId>) -> Result<SessionId> {
        let wanted = OpenSession {
            ttl_seconds: Some(100_000),
            parent_id: parent,
            request_id: "req_bench".to_owned(),
            ..OpenSession::default()
        };
        let caller = self.zone.credentials("anton");
        let opened = self.test.engine.open_session(&caller, None, wanted).await;
        opened
            .map(|opened| opened.session.id)
            .map_err(|error| anyhow!("no session: {error}"))
    }

    /// Opens so many sessions; how many in a second.
    async fn fill(&self, count: usize) -> Result<f64> {
        let begin = Instant::now();
        let left = AtomicU64::new(count as u64);
        let open = || async {
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                .is_ok()
            {
                let id = self.open(None).await?;
                if let Ok(mut known) = self.known.lock()
                    && known.len() < 4096
                {
                    known.push(id);
                }
            }
            anyhow::Ok(())
        };
        futures(CLIENTS, open).await?;
        Ok(count as f64 / begin.elapsed().as_secs_f64())
    }

    async fn cycle(&self) -> Result<()> {
        let id = self.open(None).await?;
        let caller = self.zone.credentials("anton");
        let closed = self
            .test
            .engine
            .close_session(&caller, None, id, "req_bench");
        closed.await.map_err(|error| anyhow!("not closed: {error}"))
    }

    fn known(&self, n: usize) -> Result<SessionId> {
        let known = self.known.lock().map_err(|_| anyhow!("poisoned"))?;
        let at = n.checked_rem(known.len()).unwrap_or(0);
        known.get(at).copied().context("no session is known")
    }

    async fn lend(&self, n: usize) -> Result<()> {
        let wanted = CreateDelegation {
            from: self.known(n)?,
            via: None,
            to: Receiver::Application(self.zone.id_of("anton")),
            authority: items()?,
            ttl_seconds: None,
            max_depth: None,
            calls: None,
            idempotency: None,
            request_id: "req_bench".to_owned(),
        };
        let caller = self.zone.credentials("anton");
        let made = self.test.engine.create_delegation(&caller, None, wanted);
        made.await
            .map(drop)
            .map_err(|error| anyhow!("no delegation: {error}"))
    }

    async fn mint(&self, session: Option<SessionId>) -> Result<String> {
        let request = IssueRequest {
            session_id: session,
            resources: vec!["resource://items".to_owned()],
            scope: Some("read".to_owned()),
            ..IssueRequest::new(self.zone.credentials("anton"), "req_bench")
        };
        let issued = self.test.engine.issue(request).await;
        issued
            .map(|issued| issued.text)
            .map_err(|error| anyhow!("no mandate: {error}"))
    }

    async fn call(&self, mandate: &str) -> Result<Permit> {
        let engine = &self.test.engine;
        let called = self.zone.call(engine, mandate, "items", "GET", "/v1/x");
        called
            .await
            .map_err(|refusal| anyhow!("no call: {}", refusal.detail))
    }
}

fn items() -> Result<Authority> {
    let json = serde_json::json!([{"resource": "resource://items", "scopes": ["read"]}]);
    Ok(serde_json::from_value(json)?)
}

/// Runs the same future so many times side by side, on this task.
async fn futures<F, Fut>(count: usize, make: F) -> Result<()>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let mut all: Vec<_> = (0..count).map(|_| Box::pin(make())).collect();
    std::future::poll_fn(|context| {
        let mut failed = None;
        all.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Pending => true,
            std::task::Poll::Ready(done) => {
                failed = failed.take().or(done.err());
                false
            }
        });
        match failed {
            Some(error) => std::task::Poll::Ready(Err(error)),
            None if all.is_empty() => std::task::Poll::Ready(Ok(())),
            None => std::task::Poll::Pending,
        }
    })
    .await
}

/// How often in a second, with many who ask at a time.
async fn per_second<F, Fut>(options: &Options, world: &Arc<World>, once: F) -> Result<f64>
where
    F: Fn(Arc<World>, usize) -> Fut + Copy + Send + 'static,
    Fut: Future<Output = Result<()>> + Send,
{
    let count = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let end = begin + options.measured();
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (world, count) = (Arc::clone(world), Arc::clone(&count));
        clients.spawn(async move {
            for n in 0.. {
                if Instant::now() >= end {
                    break;
                }
                once(Arc::clone(&world), client + n * CLIENTS).await?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = clients.join_next().await {
        done.context("a client broke down")??;
    }
    Ok(count.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64())
}

/// A mint without a session above its own, and one eight deep, in turns and without a disk.
async fn depth(options: &Options, durable: &World) -> Result<Vec<Measure>> {
    let test = TestEngine::in_memory().await;
    let spec = SeededZone::spec("permit (principal, action, resource);");
    let zone = test.seed("bench", spec).await;
    let world = World {
        test,
        zone,
        known: std::sync::Mutex::default(),
    };
    let ratio = |world| ratio_of_depth(options, world);
    let (in_memory, on_disk) = (ratio(&world).await?, ratio(durable).await?);
    Ok(vec![
        Measure::of("mint at depth 8 against depth 0, durable", on_disk, "")
            .aiming(Aim::AtMost(1.5)),
        Measure::of(
            "mint at depth 8 against depth 0, without a disk",
            in_memory,
            "",
        )
        .aiming(Aim::AtMost(1.5)),
    ])
}

async fn ratio_of_depth(options: &Options, world: &World) -> Result<f64> {
    let root = world.open(None).await?;
    let mut deep = root;
    for _ in 0..8 {
        deep = world.open(Some(deep)).await?;
    }
    let (mut flat, mut eight) = (Latency::new()?, Latency::new()?);
    let begin = Instant::now();
    while begin.elapsed() < options.measured() {
        for (session, latency) in [(root, &mut flat), (deep, &mut eight)] {
            let start = Instant::now();
            world.mint(Some(session)).await?;
            latency.record(start.elapsed());
        }
    }
    Ok(eight.quantile_us(0.5) / flat.quantile_us(0.5).max(f64::MIN_POSITIVE))
}

/// From the call that revokes until calls are cut: one of many, and all of them at once.
async fn cuts(world: &World) -> Result<Vec<Measure>> {
    let root = world.open(None).await?;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let session = world.open(Some(root)).await?;
        let mandate = world.mint(Some(session)).await?;
        streams.push((session, world.call(&mandate).await?));
    }
    let mut one = Latency::new()?;
    for (session, permit) in streams.drain(..STREAMS / 2) {
        let begin = Instant::now();
        revoke(world, session, &[permit], begin, &mut one).await?;
    }
    let mut all = Latency::new()?;
    let permits: Vec<Permit> = streams.into_iter().map(|(_, permit)| permit).collect();
    let begin = Instant::now();
    revoke(world, root, &permits, begin, &mut all).await?;
    let count = permits.len();
    Ok(vec![
        Measure::of(
            "revocation of one session to the cut at the engine, p99",
            one.quantile_us(0.99) / 1000.0,
            "ms",
        )
        .aiming(Aim::AtMost(20.0)),
        Measure::of(
            format!("revocation to the last of {count} cuts at the engine"),
            all.quantile_us(1.0) / 1000.0,
            "ms",
        )
        .aiming(Aim::AtMost(250.0)),
    ])
}

async fn revoke(
    world: &World,
    session: SessionId,
    permits: &[Permit],
    begin: Instant,
    latency: &mut Latency,
) -> Result<()> {
    let admin = world.test.admin();
    let anchor = Anchor::Session(session);
    let revoked = world
        .test
        .engine
        .revoke(world.zone.id, &admin, anchor, None);
    let cut = async {
        for permit in permits {
            permit.cut().cancelled().await;
        }
        begin.elapsed()
    };
    let (receipt, took) = tokio::join!(revoked, cut);
    let receipt = receipt.map_err(|error| anyhow!("not revoked: {error}"))?;
    if receipt.streams_cut != permits.len() as u64 {
        bail!(
            "{} of {} calls were cut",
            receipt.streams_cut,
            permits.len()
        );
    }
    latency.record(took);
    Ok(())
}

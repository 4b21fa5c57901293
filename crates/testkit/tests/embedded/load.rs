//! Many producers for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use caracal_core::{ApplicationId, Decision, MandateId, ResourceIdentifier, SessionId};
use caracal_store::{Embedded, EvidenceStore, OpenOptions, Query};
use caracal_testkit::conformance::{Ids, TestLog, event, name};
use tokio::task::JoinSet;

/// Prints how many leaves a second become durable and searchable. Run it alone, optimised:
/// `cargo test -p caracal-testkit --release --test embedded throughput -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn throughput() {
    const PRODUCERS: usize = 64;
    const FOR: Duration = Duration::from_secs(5);
    let dir = tempfile::tempdir_in(".").unwrap();
    let store = Arc::new(Embedded::open(dir.path(), OpenOptions::default()).unwrap());
    let log = Arc::new(TestLog::new(Ids::zone()));
    log.open(&*store).await;
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..PRODUCERS {
        let (store, log) = (Arc::clone(&store), Arc::clone(&log));
        tasks.spawn(async move {
            let mut waits = Vec::new();
            while start.elapsed() < FOR {
                let mut event = event(log.zone);
                event.decision = Some(Decision::Allow);
                event.application = Some(ApplicationId::from_uuid(log.zone.uuid()));
                event.session = Some(SessionId::from_uuid(Ids::uuid()));
                event.mandate = Some(MandateId::from_uuid(Ids::uuid()));
                event.resource = Some(ResourceIdentifier::new(name("openai")));
                let entry = log.entry_of(&event);
                let sent = Instant::now();
                store.append(vec![entry]).await.unwrap();
                waits.push(sent.elapsed());
            }
            waits
        });
    }
    let mut waits = tasks.join_all().await.concat();
    let elapsed = start.elapsed();
    waits.sort();
    let caught_up = Instant::now();
    store
        .search(Query {
            limit: 1,
            ..Query::default()
        })
        .await
        .unwrap();
    println!(
        "{:.0} leaves/s of {} bytes; p50 {:?}, p99 {:?}; the index was {:?} behind",
        waits.len() as f64 / elapsed.as_secs_f64(),
        store.read(log.id, 0, 1).await.unwrap()[0].1.len(),
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100],
        caught_up.elapsed(),
    );
}

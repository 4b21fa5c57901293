//! Durable evidence, with many that wait for it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use caracal_store::{Embedded, EvidenceStore, OpenOptions};
use caracal_testkit::conformance::{Ids, TestLog};
use tokio::task::JoinSet;

use super::figures;
use crate::latency::Latency;
use crate::report::MicroFigures;

const PRODUCERS: usize = 64;

pub(super) async fn run(time: Duration, directory: &Path) -> Result<MicroFigures> {
    let directory = tempfile::tempdir_in(directory).context("cannot make a directory")?;
    let store = Arc::new(Embedded::open(directory.path(), OpenOptions::default())?);
    let log = Arc::new(TestLog::new(Ids::zone()));
    log.open(&*store).await;
    let begin = Instant::now();
    let mut producers = JoinSet::new();
    for _ in 0..PRODUCERS {
        let (store, log) = (Arc::clone(&store), Arc::clone(&log));
        producers.spawn(async move {
            let mut latency = Latency::new()?;
            while begin.elapsed() < time {
                let entry = log.entry();
                let start = Instant::now();
                store.append(vec![entry]).await?;
                latency.record(start.elapsed());
            }
            anyhow::Ok(latency)
        });
    }
    let mut all = Latency::new()?;
    while let Some(latency) = producers.join_next().await {
        all.add(&latency.context("a producer broke down")??)?;
    }
    let elapsed = begin.elapsed();
    store.close().await;
    let name = format!("store: append, {PRODUCERS} producers, synced");
    Ok(figures(&name, &all, 1, elapsed))
}

//! Many at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use caracal_store::{EvidenceStore, StoreError};
use tokio::task::JoinSet;

use super::check_log;
use crate::conformance::sample::{Ids, TestLog};

pub(crate) async fn run<S: EvidenceStore>(make: &impl AsyncFn(&str) -> S) {
    let store = Arc::new(make("appending at once").await);
    let logs = Arc::new([TestLog::new(Ids::zone()), TestLog::new(Ids::zone())]);
    for log in logs.iter() {
        log.open(&*store).await;
    }
    let closed = Arc::new(TestLog::new(Ids::zone()));
    let mut tasks = JoinSet::new();
    for n in 0..50 {
        let (store, logs, closed) = (Arc::clone(&store), Arc::clone(&logs), Arc::clone(&closed));
        tasks.spawn(async move {
            let mut indexes = Vec::new();
            for round in 0..10 {
                let log = &logs[(n + round) % 2];
                let receipts = store.append(vec![log.entry(), log.entry()]).await.unwrap();
                assert_eq!(
                    receipts[1].index,
                    receipts[0].index + 1,
                    "one call's leaves stand together"
                );
                indexes.extend(
                    receipts
                        .into_iter()
                        .map(|receipt| (receipt.log, receipt.index)),
                );
                // A call that fails does no harm to the others in its batch.
                let refused = store.append(vec![log.entry(), closed.entry()]).await;
                assert!(matches!(refused, Err(StoreError::Unavailable(_))));
            }
            indexes
        });
    }
    let given = tasks.join_all().await.concat();
    let expected: BTreeSet<_> = logs
        .iter()
        .flat_map(|log| (0..500).map(|index| (log.id, index)))
        .collect();
    assert_eq!(given.len(), expected.len());
    assert_eq!(given.into_iter().collect::<BTreeSet<_>>(), expected);
    for log in logs.iter() {
        check_log(&*store, log, 500).await;
    }
    store.close().await;
}

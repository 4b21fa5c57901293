//! What may be used once.

use std::sync::Arc;

use caracal_core::{Revision, ZoneId};
use caracal_store::{ClaimId, Claimed, StateStore, StoreError};
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use crate::conformance::sample::{Ids, put};

/// A claim that nobody made.
fn fresh() -> ClaimId {
    let mut id = [0; 32];
    id[16..].copy_from_slice(Ids::uuid().as_bytes());
    ClaimId(id)
}

/// Some seconds after an instant of long ago.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap() + SignedDuration::from_secs(seconds)
}

pub(crate) async fn run<S: StateStore>(make: &impl AsyncFn(&str) -> S) {
    let store = Arc::new(make("claims").await);
    each_is_claimed_once_in_its_zone(&store).await;
    of_many_at_once_one_gets_it(&store).await;
    commits_beside_them_go_on(&store).await;
    they_are_forgotten_when_they_have_ended(&store).await;
    let kept = (Ids::zone(), fresh());
    assert_eq!(
        store.claim(kept.0, kept.1, at(1000)).await.unwrap(),
        Claimed::Now
    );
    store.close().await;
    let closed = store.claim(Ids::zone(), fresh(), at(1000)).await;
    assert!(
        matches!(closed, Err(StoreError::Unavailable(_))),
        "{closed:?}"
    );
    they_outlive_the_process(&make("claims").await, kept).await;
}

async fn each_is_claimed_once_in_its_zone<S: StateStore>(store: &Arc<S>) {
    let (zone, other, id) = (Ids::zone(), Ids::zone(), fresh());
    let claim = |zone, id, seconds| store.claim(zone, id, at(seconds));
    assert_eq!(claim(zone, id, 100).await.unwrap(), Claimed::Now);
    // Whoever asks, and until whenever.
    for seconds in [100, 0, 900] {
        assert_eq!(claim(zone, id, seconds).await.unwrap(), Claimed::Before);
    }
    assert_eq!(claim(zone, fresh(), 100).await.unwrap(), Claimed::Now);
    assert_eq!(claim(other, id, 100).await.unwrap(), Claimed::Now);
    // Nor is it part of what the zone is.
    assert!(!store.list_zones().await.unwrap().contains(&zone));
    let position = store.load(zone).await.unwrap().position;
    assert_eq!(position.revision, Revision(0));
}

async fn of_many_at_once_one_gets_it<S: StateStore>(store: &Arc<S>) {
    let zone = Ids::zone();
    let wanted: Vec<_> = (0..50).map(|_| fresh()).collect();
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let (store, wanted) = (Arc::clone(store), wanted.clone());
        tasks.spawn(async move {
            let mut got = Vec::new();
            for id in wanted {
                if store.claim(zone, id, at(100)).await.unwrap() == Claimed::Now {
                    got.push(id);
                }
            }
            got
        });
    }
    let mut got: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    got.sort_by_key(|id| id.0);
    assert_eq!(got, wanted, "each by one of them");
}

async fn commits_beside_them_go_on<S: StateStore>(store: &Arc<S>) {
    let zone = Ids::zone();
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let (claims, commits) = (Arc::clone(store), Arc::clone(store));
        tasks.spawn(async move {
            let claimed = claims.claim(zone, fresh(), at(100)).await.unwrap();
            assert_eq!(claimed, Claimed::Now);
        });
        tasks.spawn(async move {
            commits.commit(put(zone, Ids::uuid(), 1)).await.unwrap();
        });
    }
    tasks.join_all().await;
    let snapshot = store.load(zone).await.unwrap();
    assert_eq!(
        (snapshot.position.revision, snapshot.documents.len()),
        (Revision(50), 50)
    );
}

async fn they_are_forgotten_when_they_have_ended<S: StateStore>(store: &Arc<S>) {
    // Of the claims before none has ended at this instant.
    let long_ago = |seconds: i64| at(seconds - 100_000);
    let zone = Ids::zone();
    let ids: Vec<_> = (0..5).map(|_| fresh()).collect();
    for (seconds, id) in (10..).zip(&ids) {
        let claimed = store.claim(zone, *id, long_ago(seconds)).await.unwrap();
        assert_eq!(claimed, Claimed::Now);
    }
    let forget = |seconds, limit| store.forget_claims(long_ago(seconds), limit);
    assert_eq!(forget(10, 100).await.unwrap(), 0, "none has ended");
    assert_eq!(forget(20, 2).await.unwrap(), 2, "no more than asked for");
    assert_eq!(still_claimed(store, zone, &ids).await, [2, 3, 4]);
    assert_eq!(
        forget(20, 100).await.unwrap(),
        5,
        "what was there again, too"
    );
    assert_eq!(forget(20, 100).await.unwrap(), 0);
}

/// Which of these claims are there; the others are made, as of long ago.
async fn still_claimed<S: StateStore>(store: &Arc<S>, zone: ZoneId, ids: &[ClaimId]) -> Vec<usize> {
    let mut held = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        if store.claim(zone, *id, at(-200_000)).await.unwrap() == Claimed::Before {
            held.push(n);
        }
    }
    held
}

async fn they_outlive_the_process<S: StateStore>(store: &S, (zone, id): (ZoneId, ClaimId)) {
    let again = store.claim(zone, id, at(1000)).await.unwrap();
    assert_eq!(again, Claimed::Before);
    store.close().await;
}

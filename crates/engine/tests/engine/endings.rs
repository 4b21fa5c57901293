//! What those who follow a zone's endings are told.

use caracal_core::{Anchor, ApplicationId, MandateId, ResourceId};
use caracal_engine::{EndingKind, EndingsBatch, EndingsFeed, FeedEnd, IssueError};
use caracal_testkit::{SeededZone, TestEngine};
use uuid::Uuid;

const ALL: &str = "permit (principal in Application::\"anton\", action, resource);";

async fn follow(test: &TestEngine, zone: &SeededZone, after: Option<&str>) -> EndingsFeed {
    let caller = zone.credentials("berta");
    test.engine
        .follow_endings(caller, None, after)
        .await
        .unwrap()
}

fn kinds(batch: &EndingsBatch) -> Vec<EndingKind> {
    batch.endings.iter().map(|ending| ending.kind).collect()
}

fn mandate(n: u128) -> Anchor {
    Anchor::Mandate(MandateId::from_uuid(Uuid::from_u128(n)))
}

#[tokio::test]
async fn lifts_frozen_zones_and_dropped_keys_are_told() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let admin = test.admin();
    let mut feed = follow(&test, &zone, None).await;
    let first = feed.next().await.unwrap();
    assert!(first.is_reset && first.endings.is_empty(), "{first:?}");

    let items = Anchor::Resource(zone.id_of::<ResourceId>("items"));
    let revoked = test.engine.revoke(zone.id, &admin, items, None).await;
    let revoked = revoked.unwrap();
    let told = feed.next().await.unwrap();
    assert_eq!(kinds(&told), [EndingKind::Revoked]);
    assert_eq!(told.endings[0].anchor, Some(items));
    assert_eq!(told.endings[0].revision, revoked.revision);
    test.engine.lift(zone.id, &admin, revoked.id).await.unwrap();
    let told = feed.next().await.unwrap();
    assert_eq!(kinds(&told), [EndingKind::Lifted]);
    assert_eq!(told.endings[0].through, Some(revoked.revision));

    // Whoever verifies hears of a frozen zone, and may ask what else is dead in it.
    let frozen = Anchor::Zone(zone.id);
    test.engine
        .revoke(zone.id, &admin, frozen, None)
        .await
        .unwrap();
    assert_eq!(feed.next().await.unwrap().endings[0].anchor, Some(frozen));
    let told = follow(&test, &zone, None).await.next().await.unwrap();
    let mut found = kinds(&told);
    found.sort_by_key(|kind| kind.as_str());
    assert_eq!(found, [EndingKind::Lifted, EndingKind::Revoked]);

    let keys = test.engine.list_keys(zone.id, &admin).unwrap();
    let key = keys[0].id;
    test.engine.drop_key(zone.id, &admin, key).await.unwrap();
    let told = feed.next().await.unwrap();
    assert_eq!(kinds(&told), [EndingKind::KeyDropped]);
    assert_eq!(
        (told.endings[0].key, told.endings[0].anchor),
        (Some(key), None)
    );
}

#[tokio::test]
async fn a_long_snapshot_comes_in_parts_and_has_its_position_at_the_end() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let admin = test.admin();
    for n in 0..600 {
        let revoked = test.engine.revoke(zone.id, &admin, mandate(n), None);
        revoked.await.unwrap();
    }
    let mut feed = follow(&test, &zone, None).await;
    let first = feed.next().await.unwrap();
    assert!(first.is_reset && first.position.is_none());
    // What happens meanwhile comes after it.
    let late = mandate(1000);
    let revoked = test.engine.revoke(zone.id, &admin, late, None);
    revoked.await.unwrap();
    let second = feed.next().await.unwrap();
    assert!(!second.is_reset);
    let position = second.position.clone().unwrap();
    let all = [first.endings, second.endings].concat();
    let told: std::collections::BTreeSet<_> = all.iter().filter_map(|e| e.anchor).collect();
    assert_eq!((all.len(), told.len()), (600, 600));
    let third = feed.next().await.unwrap();
    assert_eq!(third.endings[0].anchor, Some(late));

    // Who comes back with that position gets the rest, and no snapshot.
    let again = follow(&test, &zone, Some(&position)).await.next().await;
    assert_eq!(again.unwrap(), third);
}

#[tokio::test]
async fn who_is_revoked_hears_no_more() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let admin = test.admin();
    let mut feed = follow(&test, &zone, None).await;
    feed.next().await.unwrap();
    let berta = Anchor::Application(zone.id_of::<ApplicationId>("berta"));
    let revoked = test.engine.revoke(zone.id, &admin, berta, None);
    revoked.await.unwrap();
    assert_eq!(feed.next().await, Err(FeedEnd::Refused));
    let again = test
        .engine
        .follow_endings(zone.credentials("berta"), None, None);
    assert!(matches!(
        again.await.err(),
        Some(IssueError::AccessDenied {
            gate: "revocation",
            ..
        })
    ));
}

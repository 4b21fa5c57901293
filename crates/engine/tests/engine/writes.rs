//! Administrative writes: conditions, dry runs, and races.

use caracal_engine::{AdminError, ApplicationSpec, ZoneSpec};
use caracal_testkit::{CommitFault, SeededZone, TestEngine};

const ALL: &str = "permit (principal in Application::\"anton\", action, resource);";

fn labelled(name: &str, label: &str) -> ApplicationSpec {
    let mut spec = SeededZone::application(name);
    spec.labels.insert(label.parse().unwrap());
    spec
}

#[tokio::test]
async fn a_change_may_demand_a_version() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let mut admin = test.admin();
    admin.if_match = Some(2);
    let changed = test
        .engine
        .update_application(zone.id, &admin, "anton", labelled("anton", "a"))
        .await;
    assert!(matches!(
        changed,
        Err(AdminError::VersionMismatch {
            found: 1,
            expected: 2
        })
    ));
    admin.if_match = Some(1);
    let spec = labelled("anton", "a");
    let changed = test
        .engine
        .update_application(zone.id, &admin, "anton", spec)
        .await
        .unwrap();
    assert_eq!(changed.version.0, 2);
    let gone = test
        .engine
        .delete_application(zone.id, &admin, "berta")
        .await;
    assert!(gone.is_ok());
    let gone = test
        .engine
        .delete_resource(
            zone.id,
            &{
                let mut admin = test.admin();
                admin.if_match = Some(7);
                admin
            },
            "notes",
        )
        .await;
    assert!(matches!(gone, Err(AdminError::VersionMismatch { .. })));
    // The same labels are no change.
    let spec = labelled("anton", "a");
    let same = test
        .engine
        .update_application(zone.id, &test.admin(), "anton", spec)
        .await
        .unwrap();
    assert_eq!(same.version.0, 2);
}

#[tokio::test]
async fn of_two_writers_with_one_version_one_wins() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let mut admin = test.admin();
    admin.if_match = Some(1);
    let update = |label| {
        test.engine
            .update_application(zone.id, &admin, "anton", labelled("anton", label))
    };
    let (a, b) = tokio::join!(update("a"), update("b"));
    assert_eq!(usize::from(a.is_ok()) + usize::from(b.is_ok()), 1);
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let before = test.engine.export(zone.id, &test.admin()).unwrap();
    let events = zone.events(&test.engine).await.len();
    let mut admin = test.admin();
    admin.dry_run = true;
    let engine = &test.engine;
    let created = engine
        .create_application(zone.id, &admin, SeededZone::application("new"))
        .await;
    assert!(created.unwrap().client_secret.is_none());
    engine
        .create_zone(&admin, "new-zone".parse().unwrap())
        .await
        .unwrap();
    engine
        .create_provider(zone.id, &admin, SeededZone::provider("new"))
        .await
        .unwrap();
    engine
        .create_resource(zone.id, &admin, SeededZone::resource("new", None))
        .await
        .unwrap();
    engine
        .delete_application(zone.id, &admin, "berta")
        .await
        .unwrap();
    engine
        .revoke(zone.id, &admin, caracal_core::Anchor::Zone(zone.id), None)
        .await
        .unwrap();
    let name = "robot".parse().unwrap();
    let token = engine
        .create_token(&admin, Some(zone.id), name, caracal_core::Role::Viewer, 60)
        .await;
    assert!(token.unwrap().text.is_none());
    let spec = ZoneSpec {
        prune: true,
        ..ZoneSpec::default()
    };
    let applied = engine.apply(zone.id, &admin, spec).await.unwrap();
    assert!(!applied.changes.is_empty());
    // A dry run still says what is wrong.
    let wrong = engine.delete_application(zone.id, &admin, "anton").await;
    assert!(matches!(wrong, Err(AdminError::Invalid(_))));
    let after = engine.export(zone.id, &test.admin()).unwrap();
    assert_eq!(before.applications, after.applications);
    assert_eq!(before.resources, after.resources);
    assert_eq!(before.providers, after.providers);
    assert_eq!(zone.events(engine).await.len(), events);
    assert_eq!(engine.list_zones(&test.admin()).unwrap().len(), 1);
    assert!(
        engine
            .list_revocations(zone.id, &test.admin())
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn of_many_creators_of_a_name_one_wins() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let mut created = 0;
    let admin = test.admin();
    let create = || {
        test.engine
            .create_application(zone.id, &admin, SeededZone::application("same"))
    };
    let (a, b, c, d) = tokio::join!(create(), create(), create(), create());
    for result in [a, b, c, d] {
        match result {
            Ok(_) => created += 1,
            Err(AdminError::NameTaken(name)) => assert_eq!(name, "same"),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(created, 1);
    let zones = || test.engine.create_zone(&admin, "same".parse().unwrap());
    let (a, b) = tokio::join!(zones(), zones());
    assert_eq!(usize::from(a.is_ok()) + usize::from(b.is_ok()), 1);
    assert_eq!(test.engine.list_zones(&admin).unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_decided_again_and_not_for_ever() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    test.store().fail_commit(CommitFault::Conflict);
    let spec = SeededZone::application("new");
    test.engine
        .create_application(zone.id, &test.admin(), spec)
        .await
        .unwrap();
    (0..32).for_each(|_| test.store().fail_commit(CommitFault::Conflict));
    let spec = SeededZone::application("never");
    let busy = test
        .engine
        .create_application(zone.id, &test.admin(), spec)
        .await;
    assert!(matches!(busy, Err(AdminError::Busy)), "{busy:?}");
}

#[tokio::test]
async fn names_cannot_change_and_ids_find_too() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let engine = &test.engine;
    let id = &zone.ids["anton"];
    assert!(engine.get_application(zone.id, &test.admin(), id).is_ok());
    let renamed = engine
        .update_application(zone.id, &test.admin(), id, SeededZone::application("x"))
        .await;
    assert!(matches!(renamed, Err(AdminError::Invalid(_))));
    let item = &zone.ids["items"];
    assert!(
        engine
            .get_application(zone.id, &test.admin(), item)
            .is_err()
    );
    let first = engine
        .list_applications(zone.id, &test.admin(), None, 1)
        .unwrap();
    assert_eq!(first.next.as_ref().map(|n| n.as_str()), Some("anton"));
    let rest = engine
        .list_applications(zone.id, &test.admin(), first.next.as_ref(), 1)
        .unwrap();
    assert_eq!((rest.items.len(), rest.next), (1, None));
}

//! A whole file in one commit.

use caracal_engine::{AdminError, ZoneSpec};
use caracal_testkit::{SeededZone, TestEngine};

const ALL: &str = "permit (principal in Application::\"anton\", action, resource);";

#[tokio::test]
async fn applying_again_changes_nothing() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let events = zone.events(&test.engine).await.len();
    for prune in [false, true] {
        let spec = ZoneSpec {
            prune,
            ..SeededZone::spec(ALL)
        };
        let applied = test
            .engine
            .apply(zone.id, &test.admin(), spec)
            .await
            .unwrap();
        assert_eq!(applied.changes, []);
        assert!(
            applied
                .applications
                .iter()
                .all(|a| a.client_secret.is_none())
        );
        assert_eq!(applied.applications[0].id, zone.ids["anton"]);
    }
    assert_eq!(zone.events(&test.engine).await.len(), events);
}

#[tokio::test]
async fn pruning_leaves_exactly_what_the_file_names() {
    let test = TestEngine::in_memory().await;
    let mut spec = SeededZone::spec(ALL);
    spec.resources
        .push(SeededZone::resource("old", Some("key")));
    spec.providers.push(SeededZone::provider("spare"));
    spec.policies.push(SeededZone::policy(
        "more",
        "forbid (principal, action, resource);",
    ));
    let zone = test.seed("pruned", spec).await;
    // Without pruning the file only adds.
    let applied = test
        .engine
        .apply(zone.id, &test.admin(), ZoneSpec::default())
        .await
        .unwrap();
    assert_eq!(applied.changes, []);
    let wanted = || ZoneSpec {
        prune: true,
        ..SeededZone::spec(ALL)
    };
    let applied = test
        .engine
        .apply(zone.id, &test.admin(), wanted())
        .await
        .unwrap();
    let lines: Vec<_> = applied
        .changes
        .iter()
        .map(|c| format!("{} {}", c.action, c.noun))
        .collect();
    for line in [
        "delete resource",
        "delete provider",
        "update provider",
        "activate bundle",
    ] {
        assert!(
            lines.iter().any(|l| l == line),
            "{line} is missing in {lines:?}"
        );
    }
    let held = test.engine.export(zone.id, &test.admin()).unwrap();
    let names: Vec<_> = held.resources.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["items", "notes"]);
    // The credential may not go any more where only the pruned resource sent it.
    let hosts: Vec<_> = held.providers[0]
        .allowed_hosts
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(hosts, ["items.example.com:443"]);
    assert_eq!(held.bundle.policies.len(), 1);
    let again = test
        .engine
        .apply(zone.id, &test.admin(), wanted())
        .await
        .unwrap();
    assert_eq!(again.changes, []);
}

#[tokio::test]
async fn every_mistake_is_named_and_nothing_is_done() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let before = test.engine.export(zone.id, &test.admin()).unwrap();
    let mut spec =
        SeededZone::spec("permit (principal in Application::\"antom\", action, resource);");
    spec.applications.push(SeededZone::application("fine"));
    spec.providers[0].secret = Some(caracal_core::Secret::new(b"a\nb".to_vec()));
    spec.resources
        .push(SeededZone::resource("orphan", Some("nobody")));
    spec.resources[0].upstream = "ftp://x".to_owned();
    spec.resources[1].operations[0].scope = "other".parse().unwrap();
    spec.resources[1].operations[1].method = "HEAD".to_owned();
    spec.resources[1].max_stream_seconds = 0;
    spec.resources[1].mandate_in = vec![caracal_core::MandateSlot::BasicPassword; 17];
    let found = test.engine.apply(zone.id, &test.admin(), spec).await;
    let Err(AdminError::Invalid(errors)) = found else {
        panic!("it was accepted");
    };
    let fields: Vec<_> = errors.iter().map(|e| e.field.as_str()).collect();
    for field in [
        "resources[items].upstream",
        "resources[notes].operations[0].scope",
        "resources[notes].operations[1].method",
        "resources[notes].max_stream_seconds",
        "resources[notes].mandate_in",
        "resources[orphan].provider",
        "providers[key].secret",
    ] {
        assert!(fields.contains(&field), "{field} is missing in {fields:?}");
    }
    assert!(
        fields.iter().any(|f| f.starts_with("policies[rules]")),
        "{fields:?}"
    );
    let after = test.engine.export(zone.id, &test.admin()).unwrap();
    assert_eq!(before.applications, after.applications);
    assert_eq!(before.resources, after.resources);
    let twice = ZoneSpec {
        applications: vec![SeededZone::application("x"), SeededZone::application("x")],
        ..ZoneSpec::default()
    };
    let found = test.engine.apply(zone.id, &test.admin(), twice).await;
    assert!(matches!(found, Err(AdminError::Invalid(_))));
}

#[tokio::test]
async fn an_apply_is_one_commit() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let events = zone.events(&test.engine).await;
    let revisions: std::collections::BTreeSet<_> =
        events.iter().filter_map(|e| e.revision).collect();
    assert_eq!(revisions.len(), 2, "the zone, and all of the file");
}

#[tokio::test]
async fn two_files_at_once_both_hold() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let admin = test.admin();
    let file = |name: &str| ZoneSpec {
        applications: vec![SeededZone::application(name)],
        policies: vec![SeededZone::policy(
            name,
            &format!("permit (principal in Application::\"{name}\", action, resource);"),
        )],
        ..ZoneSpec::default()
    };
    let (a, b) = tokio::join!(
        test.engine.apply(zone.id, &admin, file("one")),
        test.engine.apply(zone.id, &admin, file("two")),
    );
    a.unwrap();
    b.unwrap();
    let (_, policies) = test.engine.list_policies(zone.id, &admin).unwrap();
    let names: Vec<_> = policies.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["one", "rules", "two"]);
}

//! Writes that a client repeats.

use caracal_engine::{Admin, AdminError, Idempotency};
use caracal_testkit::{AppendFault, SeededZone, Stalled, TestEngine};

const ALL: &str = "permit (principal in Application::\"anton\", action, resource);";

fn keyed(test: &TestEngine, key: &str, input: &str) -> Admin {
    Admin {
        idempotency: Some(Idempotency {
            key: key.to_owned(),
            input: input.as_bytes().to_vec(),
        }),
        ..test.admin()
    }
}

#[tokio::test]
async fn a_repeated_write_gives_the_first_answer() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let create = async |key: &str, input: &str, name: &str| {
        let admin = keyed(&test, key, input);
        let spec = SeededZone::application(name);
        test.engine.create_application(zone.id, &admin, spec).await
    };
    let first = create("k1", "POST a", "a").await.unwrap();
    let again = create("k1", "POST a", "a").await.unwrap();
    assert_eq!(first.client_secret, again.client_secret);
    assert_eq!(first.application, again.application);
    let other = create("k1", "POST b", "b").await;
    assert!(matches!(other, Err(AdminError::IdempotencyConflict)));
    let fresh = create("k2", "POST a", "a").await;
    assert!(matches!(fresh, Err(AdminError::NameTaken(_))));
    // At once, from two connections.
    let (a, b) = tokio::join!(create("k3", "POST c", "c"), create("k3", "POST c", "c"));
    assert_eq!(a.unwrap().client_secret, b.unwrap().client_secret);
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day_over_restarts_and_for_its_operator_only() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let name = "robot".parse().unwrap();
    let role = caracal_core::Role::Admin;
    let made = test
        .engine
        .create_token(&test.admin(), Some(zone.id), name, role, 1_000_000)
        .await;
    let robot = test
        .engine
        .authenticate_operator(&made.unwrap().text.unwrap())
        .unwrap();
    let admin = keyed(&test, "k", "POST a");
    let spec = || SeededZone::application("a");
    let first = test
        .engine
        .create_application(zone.id, &admin, spec())
        .await
        .unwrap();
    let theirs = Admin {
        operator: robot,
        ..admin.clone()
    };
    let other = test
        .engine
        .create_application(zone.id, &theirs, spec())
        .await;
    assert!(matches!(other, Err(AdminError::NameTaken(_))), "{other:?}");
    let test = test.restart().await;
    test.clock.advance_seconds(23 * 3600);
    let again = test
        .engine
        .create_application(zone.id, &admin, spec())
        .await
        .unwrap();
    assert_eq!(first.client_secret, again.client_secret);
    test.clock.advance_seconds(2 * 3600);
    // The next remembered write takes the old answers with it.
    let later = keyed(&test, "later", "POST b");
    test.engine
        .create_application(zone.id, &later, SeededZone::application("b"))
        .await
        .unwrap();
    let gone = test
        .engine
        .create_application(zone.id, &admin, spec())
        .await;
    assert!(matches!(gone, Err(AdminError::NameTaken(_))));
}

/// The client learns its secret although the first answer was an error.
#[tokio::test(start_paused = true)]
async fn a_secret_is_not_lost_when_the_ledger_was_away() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let stalled = Stalled::new();
    test.store()
        .fail_append(AppendFault::Stall(stalled.clone()));
    let admin = keyed(&test, "k", "POST a");
    let spec = || SeededZone::application("a");
    let first = test
        .engine
        .create_application(zone.id, &admin, spec())
        .await;
    assert!(matches!(
        first,
        Err(AdminError::Unavailable { done: true, .. })
    ));
    stalled.release();
    let again = test
        .engine
        .create_application(zone.id, &admin, spec())
        .await
        .unwrap();
    assert!(again.client_secret.is_some());
}

#[tokio::test]
async fn what_holds_a_secret_does_not_print_it() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let admin = keyed(&test, "k", "the secret is s3cr3t");
    let spec = SeededZone::application("a");
    let created = test
        .engine
        .create_application(zone.id, &admin, spec)
        .await
        .unwrap();
    let secret = created.client_secret.clone().unwrap();
    assert!(!format!("{created:?}").contains(&secret));
    assert!(!format!("{admin:?}").contains("115, 51, 99"), "{admin:?}");
    let name = "robot".parse().unwrap();
    let role = caracal_core::Role::Viewer;
    let token = test
        .engine
        .create_token(&test.admin(), None, name, role, 60)
        .await
        .unwrap();
    let text = token.text.clone().unwrap();
    assert!(!format!("{token:?}").contains(&text));
    let spec = caracal_engine::ZoneSpec {
        applications: vec![SeededZone::application("b")],
        ..Default::default()
    };
    let applied = test
        .engine
        .apply(zone.id, &test.admin(), spec)
        .await
        .unwrap();
    let secret = applied.applications[0].client_secret.clone().unwrap();
    assert!(!format!("{applied:?}").contains(&secret));
}

//! Client secrets that take each other's place.

use caracal_core::{Role, Secret};
use caracal_engine::{
    Admin, AdminError, CallerCredentials, ClientCredentials, EndOfOldSecret, Idempotency,
    IssueRequest, MAX_OVERLAP_SECONDS,
};
use caracal_testkit::{SeededZone, TestEngine};

const ALL: &str = "permit (principal, action, resource);";

async fn world() -> (TestEngine, SeededZone) {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    (test, zone)
}

/// True when an application gets a mandate with this secret.
async fn is_good(test: &TestEngine, zone: &SeededZone, secret: &str) -> bool {
    let request = IssueRequest {
        caller: CallerCredentials::Client(ClientCredentials {
            client_id: zone.ids["anton"].clone(),
            secret: Secret::from(secret.to_owned()),
        }),
        ..zone.asks("anton", &["resource://items"], None)
    };
    test.engine.issue(request).await.is_ok()
}

async fn rotate(
    test: &TestEngine,
    zone: &SeededZone,
    end: EndOfOldSecret,
) -> Result<String, AdminError> {
    let rotated = test
        .engine
        .rotate_secret(zone.id, &test.admin(), "anton", end)
        .await?;
    Ok(rotated.text.unwrap())
}

#[tokio::test(start_paused = true)]
async fn both_are_good_until_the_overlap_ends() {
    let (test, zone) = world().await;
    let old = zone.secrets["anton"].clone();
    let new = rotate(&test, &zone, EndOfOldSecret::After(3600))
        .await
        .unwrap();
    assert!(is_good(&test, &zone, &old).await && is_good(&test, &zone, &new).await);
    assert!(!is_good(&test, &zone, &format!("{new}x")).await);
    // A third one while two are alive is refused, and changes nothing.
    let third = rotate(&test, &zone, EndOfOldSecret::After(60)).await;
    let Err(AdminError::InUse(why)) = third else {
        panic!("{third:?}")
    };
    assert!(why.contains("2 client secrets"), "{why}");

    test.clock.advance_seconds(3599);
    assert!(is_good(&test, &zone, &old).await);
    test.clock.advance_seconds(1);
    assert!(!is_good(&test, &zone, &old).await, "its end has come");
    assert!(is_good(&test, &zone, &new).await);
    // It is not listed any more, and the sweeper forgets it.
    let list = || {
        test.engine
            .list_secrets(zone.id, &test.admin(), "anton")
            .unwrap()
    };
    assert_eq!(list().len(), 1);
    let stored = || {
        let held = test.engine.get_application(zone.id, &test.admin(), "anton");
        held.unwrap().value.secrets.len()
    };
    assert_eq!(stored(), 2);
    tokio::time::sleep(std::time::Duration::from_secs(130)).await;
    assert_eq!(stored(), 1);
    let types = zone.event_types(&test.engine).await;
    let count = |wanted| types.iter().filter(|held| **held == wanted).count();
    assert_eq!((count("secret.rotated"), count("secret.expired")), (1, 1));
    rotate(&test, &zone, EndOfOldSecret::After(60))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_old_secret_can_end_at_once() {
    let (test, zone) = world().await;
    let first = zone.secrets["anton"].clone();
    let second = rotate(&test, &zone, EndOfOldSecret::After(60))
        .await
        .unwrap();
    let third = rotate(&test, &zone, EndOfOldSecret::Now).await.unwrap();
    for (secret, good) in [(&first, false), (&second, false), (&third, true)] {
        assert_eq!(is_good(&test, &zone, secret).await, good);
    }
    let fourth = rotate(&test, &zone, EndOfOldSecret::After(60))
        .await
        .unwrap();
    let list = test
        .engine
        .list_secrets(zone.id, &test.admin(), "anton")
        .unwrap();
    assert_eq!(list.len(), 2);
    let end = async |id: &str| {
        test.engine
            .end_secret(zone.id, &test.admin(), "anton", id)
            .await
    };
    let unknown = end("sec_00000000-0000-0000-0000-000000000000").await;
    assert!(matches!(
        unknown,
        Err(AdminError::NotFound { noun: "secret", .. })
    ));
    let older = list
        .iter()
        .find(|secret| secret.expires_at.is_some())
        .unwrap();
    end(&older.id.to_string()).await.unwrap();
    assert!(!is_good(&test, &zone, &third).await && is_good(&test, &zone, &fourth).await);
    let only = test
        .engine
        .list_secrets(zone.id, &test.admin(), "anton")
        .unwrap()[0]
        .id;
    assert!(matches!(
        end(&only.to_string()).await,
        Err(AdminError::InUse(_))
    ));
    assert!(is_good(&test, &zone, &fourth).await);
}

#[tokio::test]
async fn a_rotation_has_limits_roles_and_conditions() {
    let (test, zone) = world().await;
    for seconds in [0, MAX_OVERLAP_SECONDS + 1, u64::MAX] {
        let refused = rotate(&test, &zone, EndOfOldSecret::After(seconds)).await;
        let Err(AdminError::Invalid(fields)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(fields[0].field, "overlap_seconds");
    }
    let end = EndOfOldSecret::After(60);
    let by =
        async |admin: &Admin, app: &str| test.engine.rotate_secret(zone.id, admin, app, end).await;
    let unknown = by(&test.admin(), "nobody").await;
    assert!(matches!(unknown, Err(AdminError::NotFound { .. })));
    let stale = Admin {
        if_match: Some(7),
        ..test.admin()
    };
    let stale = by(&stale, "anton").await;
    assert!(matches!(stale, Err(AdminError::VersionMismatch { .. })));
    let token = test
        .engine
        .create_token(
            &test.admin(),
            Some(zone.id),
            "eye".parse().unwrap(),
            Role::Approver,
            60,
        )
        .await
        .unwrap();
    let weak = test
        .engine
        .authenticate_operator(&token.text.unwrap())
        .unwrap();
    let weak = by(&Admin::new(weak, "req"), "anton").await;
    assert!(matches!(weak, Err(AdminError::Forbidden { .. })));

    let dry = Admin {
        dry_run: true,
        ..test.admin()
    };
    assert!(by(&dry, "anton").await.unwrap().text.is_none());
    assert_eq!(
        test.engine
            .list_secrets(zone.id, &test.admin(), "anton")
            .unwrap()
            .len(),
        1
    );
    // Repeated, it answers what it answered before and makes no third secret.
    let keyed = Admin {
        idempotency: Some(Idempotency {
            key: "k".to_owned(),
            input: b"rotate".to_vec(),
        }),
        ..test.admin()
    };
    let (one, two) = (
        by(&keyed, "anton").await.unwrap(),
        by(&keyed, "anton").await.unwrap(),
    );
    assert_eq!(one.text, two.text);
    assert_eq!(
        test.engine
            .list_secrets(zone.id, &test.admin(), "anton")
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn uses_are_told_and_written_down_once_an_hour() {
    let (test, zone) = world().await;
    let last = |test: &TestEngine| {
        let list = test.engine.list_secrets(zone.id, &test.admin(), "anton");
        list.unwrap()[0].last_used_at
    };
    assert_eq!(last(&test), None);
    let secret = zone.secrets["anton"].clone();
    for _ in 0..20 {
        assert!(is_good(&test, &zone, &secret).await);
    }
    let seen = last(&test).unwrap();
    assert!(test.engine.now().duration_since(seen).as_secs() < 60);
    let written = async |test: &TestEngine| {
        let types = zone.event_types(&test.engine).await;
        types.iter().filter(|held| **held == "secret.used").count()
    };
    let sweep = || tokio::time::sleep(std::time::Duration::from_secs(130));
    sweep().await;
    assert_eq!(written(&test).await, 1);
    test.clock.advance_seconds(120);
    assert!(is_good(&test, &zone, &secret).await);
    sweep().await;
    assert_eq!(written(&test).await, 1, "within the hour");
    assert!(last(&test).unwrap() > seen);
    let test = test.restart().await;
    assert_eq!(last(&test), Some(seen), "what was written down");
    test.clock.advance_seconds(3600);
    assert!(is_good(&test, &zone, &secret).await);
    sweep().await;
    assert_eq!(written(&test).await, 2);
}

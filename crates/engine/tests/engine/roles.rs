//! Who may do what.

use caracal_core::{Anchor, Role};
use caracal_engine::{Admin, AdminError, Query, ZoneSpec};
use caracal_testkit::{SeededZone, TestEngine};

const ALL: &str = "permit (principal in Application::\"anton\", action, resource);";

async fn operator(test: &TestEngine, zone: Option<&SeededZone>, role: Role) -> Admin {
    let name = format!("{}-{}", role.as_str(), test.engine.new_request_id().len());
    let name = name.parse().unwrap();
    let made = test
        .engine
        .create_token(&test.admin(), zone.map(|z| z.id), name, role, 3600)
        .await
        .unwrap();
    let operator = test
        .engine
        .authenticate_operator(&made.text.unwrap())
        .unwrap();
    Admin::new(operator, "req_role")
}

#[derive(Debug, PartialEq)]
enum Found {
    Done,
    Forbidden,
    Hidden,
}

fn found<T>(result: Result<T, AdminError>) -> Found {
    match result {
        Ok(_) => Found::Done,
        Err(AdminError::Forbidden { .. }) => Found::Forbidden,
        Err(AdminError::NotFound { noun: "zone", .. }) => Found::Hidden,
        Err(other) => panic!("{other}"),
    }
}

/// What every use case says, from the one that asks least.
async fn try_all(test: &TestEngine, zone: &SeededZone, admin: &Admin) -> [Found; 4] {
    let engine = &test.engine;
    let query = Query {
        limit: 1,
        ..Query::default()
    };
    [
        found(engine.list_applications(zone.id, admin, None, 1)),
        found(engine.search_events(zone.id, admin, query).await),
        found(engine.apply(zone.id, admin, ZoneSpec::default()).await),
        found(
            engine
                .create_token(
                    &Admin {
                        dry_run: true,
                        ..admin.clone()
                    },
                    Some(zone.id),
                    "new".parse().unwrap(),
                    Role::Owner,
                    60,
                )
                .await,
        ),
    ]
}

#[tokio::test]
async fn a_role_reaches_as_far_as_it_says() {
    use Found::{Done, Forbidden, Hidden};
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let other = test.seed_policy(ALL).await;
    for (role, expected) in [
        (Role::Viewer, [Done, Forbidden, Forbidden, Forbidden]),
        (Role::Auditor, [Done, Done, Forbidden, Forbidden]),
        (Role::Approver, [Done, Done, Forbidden, Forbidden]),
        (Role::Admin, [Done, Done, Done, Forbidden]),
        (Role::Owner, [Done, Done, Done, Done]),
    ] {
        let admin = operator(&test, Some(&zone), role).await;
        assert_eq!(try_all(&test, &zone, &admin).await, expected, "{role:?}");
        let hidden = try_all(&test, &other, &admin).await;
        assert_eq!(hidden, [Hidden, Hidden, Hidden, Hidden], "{role:?}");
        assert!(test.engine.resolve_zone(&admin, "zone-1").is_err());
        assert!(
            test.engine
                .resolve_zone(&admin, &other.id.to_string())
                .is_err()
        );
        assert_eq!(test.engine.list_zones(&admin).unwrap().len(), 1);
        let name = "mine".parse().unwrap();
        assert_eq!(
            found(test.engine.create_zone(&admin, name).await),
            Forbidden
        );
        let name = "mine".parse().unwrap();
        let instance = test
            .engine
            .create_token(&admin, None, name, Role::Viewer, 60)
            .await;
        assert_eq!(found(instance), Forbidden, "{role:?}");
        assert_eq!(found(test.engine.list_tokens(&admin, None)), Forbidden);
        let everywhere = operator(&test, None, role).await;
        assert_eq!(
            try_all(&test, &other, &everywhere).await,
            expected,
            "{role:?}"
        );
    }
}

#[tokio::test]
async fn weaker_roles_change_nothing() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let engine = &test.engine;
    let before = zone.events(engine).await.len();
    for role in [Role::Viewer, Role::Auditor, Role::Approver] {
        let admin = operator(&test, Some(&zone), role).await;
        let (id, a) = (zone.id, &admin);
        let items = || SeededZone::resource("items", None);
        let refused = [
            found(
                engine
                    .create_application(id, a, SeededZone::application("x"))
                    .await,
            ),
            found(
                engine
                    .update_application(id, a, "anton", SeededZone::application("anton"))
                    .await,
            ),
            found(engine.delete_application(id, a, "berta").await),
            found(
                engine
                    .create_provider(id, a, SeededZone::provider("x"))
                    .await,
            ),
            found(
                engine
                    .update_provider(id, a, "key", SeededZone::provider("key"))
                    .await,
            ),
            found(engine.delete_provider(id, a, "key").await),
            found(engine.create_resource(id, a, items()).await),
            found(engine.update_resource(id, a, "items", items()).await),
            found(engine.delete_resource(id, a, "notes").await),
            found(engine.store_bundle(id, a, Vec::new()).await),
            found(engine.activate_bundle(id, a, "00000000").await),
            found(engine.revoke(id, a, Anchor::Zone(id), None).await),
            found(engine.delete_token(a, Some(id), "x").await),
            found(engine.create_zone(a, "x".parse().unwrap()).await),
        ];
        assert!(
            refused.iter().all(|f| *f == Found::Forbidden),
            "{role:?} {refused:?}"
        );
    }
    // Three tokens, and nothing else.
    assert_eq!(zone.events(engine).await.len(), before + 3);
}

#[tokio::test]
async fn the_partition_of_the_instance_takes_no_configuration() {
    let test = TestEngine::in_memory().await;
    let id = TestEngine::INSTANCE;
    let (engine, admin) = (&test.engine, test.admin());
    let spec = SeededZone::spec(ALL);
    assert_eq!(found(engine.apply(id, &admin, spec).await), Found::Hidden);
    let spec = SeededZone::application("x");
    assert_eq!(
        found(engine.create_application(id, &admin, spec).await),
        Found::Hidden
    );
    assert!(engine.list_zones(&admin).unwrap().is_empty());
    assert!(engine.zone_metadata(id).is_none() && engine.jwks(id).is_none());
}

//! API tokens of operators.

use caracal_core::{Role, RoleScope};
use caracal_engine::AdminError;
use caracal_testkit::{SeededZone, TestEngine};

const ALL: &str = "permit (principal in Application::\"anton\", action, resource);";

async fn create(test: &TestEngine, zone: Option<&SeededZone>, name: &str, seconds: u64) -> String {
    let id = zone.map(|zone| zone.id);
    let name = name.parse().unwrap();
    let made = test
        .engine
        .create_token(&test.admin(), id, name, Role::Admin, seconds)
        .await;
    made.unwrap().text.unwrap()
}

#[tokio::test]
async fn a_token_is_its_operator_until_it_expires_or_is_deleted() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let engine = &test.engine;
    let own = create(&test, Some(&zone), "own", 60).await;
    let all = create(&test, None, "all", 3600).await;
    let operator = engine.authenticate_operator(&own).unwrap();
    assert_eq!(
        (operator.role(), operator.scope()),
        (Role::Admin, RoleScope::Zone(zone.id))
    );
    assert!(operator.label().starts_with("op_"));
    let everywhere = engine.authenticate_operator(&all).unwrap();
    assert_eq!(everywhere.scope(), RoleScope::AllZones);
    test.clock.advance_seconds(59);
    assert!(engine.authenticate_operator(&own).is_ok());
    test.clock.advance_seconds(1);
    assert!(
        engine.authenticate_operator(&own).is_err(),
        "it expires exactly then"
    );
    engine
        .delete_token(&test.admin(), None, "all")
        .await
        .unwrap();
    assert!(engine.authenticate_operator(&all).is_err());
    let gone = engine.delete_token(&test.admin(), None, "all").await;
    assert!(matches!(gone, Err(AdminError::NotFound { .. })));
}

#[tokio::test]
async fn a_token_that_is_not_exactly_one_is_none() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let other = test.seed_policy(ALL).await;
    let own = create(&test, Some(&zone), "own", 60).await;
    let theirs = create(&test, Some(&other), "own", 60).await;
    let parts: Vec<&str> = own.split('.').collect();
    let foreign: Vec<&str> = theirs.split('.').collect();
    let instance = format!("caracal_token_{}", "0".repeat(32));
    for text in [
        String::new(),
        "caracal_token_".to_owned(),
        own[..own.len() - 1].to_owned(),
        format!("{own}x"),
        own.replace("caracal_token_", ""),
        format!("{}.{}.{}", foreign[0], parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], foreign[1], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], foreign[2]),
        format!("{instance}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{own}{}", "x".repeat(10_000)),
    ] {
        assert!(test.engine.authenticate_operator(&text).is_err(), "{text}");
    }
    assert!(test.engine.authenticate_operator(&own).is_ok());
}

#[tokio::test]
async fn tokens_outlive_a_restart_and_their_names_are_unique_where_they_are() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let own = create(&test, Some(&zone), "same", 60).await;
    create(&test, None, "same", 60).await;
    let name = "same".parse().unwrap();
    let again = test
        .engine
        .create_token(&test.admin(), None, name, Role::Viewer, 60)
        .await;
    assert!(matches!(again, Err(AdminError::NameTaken(_))));
    for seconds in [0, 366 * 24 * 3600 + 1, u64::MAX] {
        let name = "long".parse().unwrap();
        let made = test
            .engine
            .create_token(&test.admin(), None, name, Role::Viewer, seconds)
            .await;
        assert!(matches!(made, Err(AdminError::Invalid(_))), "{seconds}");
    }
    let test = test.restart().await;
    assert!(test.engine.authenticate_operator(&own).is_ok());
    assert_eq!(
        test.engine.list_tokens(&test.admin(), None).unwrap().len(),
        1
    );
}

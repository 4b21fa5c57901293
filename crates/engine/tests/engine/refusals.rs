//! Refusals that leave no event of their own: counted, and summarized per zone.

use caracal_core::{Event, EventType, ZoneId};
use caracal_engine::{Admin, ClientCredentials, Engine, Operator, Query, RefusedAt};
use caracal_testkit::{AppendFault, TestEngine};

const ALL: &str = "permit (principal, action, resource);";

async fn summaries(engine: &Engine, zone: ZoneId) -> Vec<Event> {
    let admin = Admin::new(Operator::local(), "req_test");
    let query = Query {
        zone: Some(zone),
        event_type: Some(EventType::RefusalsSummarized.as_str().to_owned()),
        ascending: true,
        limit: 100,
        ..Query::default()
    };
    let page = engine.search_events(zone, &admin, query).await.unwrap();
    let leaves = page.leaves.iter();
    leaves
        .map(|(_, leaf)| serde_json::from_slice(leaf).unwrap())
        .collect()
}

fn counts(event: &Event) -> Vec<(String, u64)> {
    event.counts.clone().unwrap().into_iter().collect()
}

#[tokio::test]
async fn many_refusals_are_one_event_per_zone_and_window() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await.id;
    let engine = &test.engine;
    let began = engine.now();
    for _ in 0..10_000 {
        engine.count_refusal(Some(zone), RefusedAt::Sts, "invalid_client");
        engine.count_refusal(None, RefusedAt::Gateway, "mandate_missing");
    }
    engine.count_refusal(Some(zone), RefusedAt::Gateway, "mandate_invalid");
    let unknown = ZoneId::from_uuid(uuid::Uuid::from_u128(404));
    engine.count_refusal(Some(unknown), RefusedAt::Sts, "not_found");
    test.clock.advance_seconds(60);
    engine.summarize_refusals().await;
    // Nothing new: nothing to say.
    engine.summarize_refusals().await;

    let own = summaries(engine, zone).await;
    assert_eq!(own.len(), 1);
    assert_eq!(
        counts(&own[0]),
        [
            ("gateway.mandate_invalid".to_owned(), 1),
            ("sts.invalid_client".to_owned(), 10_000)
        ]
    );
    assert_eq!((own[0].since, own[0].time), (Some(began), engine.now()));
    assert!(own[0].reason.as_ref().unwrap().starts_with("10001 "));
    let of_nobody = summaries(engine, ZoneId::INSTANCE).await;
    assert_eq!(of_nobody.len(), 1);
    assert_eq!(
        counts(&of_nobody[0]),
        [
            ("gateway.mandate_missing".to_owned(), 10_000),
            ("sts.not_found".to_owned(), 1)
        ]
    );
    assert!(summaries(engine, unknown).await.is_empty());

    engine.count_refusal(Some(zone), RefusedAt::Console, "rate_limited");
    test.clock.advance_seconds(5);
    let second_window = own[0].time;
    engine.summarize_refusals().await;
    let own = summaries(engine, zone).await;
    assert_eq!(own.len(), 2);
    assert_eq!(own[1].since, Some(second_window));
    assert_eq!(counts(&own[1]), [("console.rate_limited".to_owned(), 1)]);
}

#[tokio::test]
async fn what_cannot_be_written_is_counted_again_and_the_end_says_the_rest() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await.id;
    test.engine
        .count_refusal(Some(zone), RefusedAt::Sts, "slow_down");
    let began = test.engine.now();
    test.store().fail_append(AppendFault::Before);
    test.clock.advance_seconds(60);
    test.engine.summarize_refusals().await;
    assert!(summaries(&test.engine, zone).await.is_empty());
    test.engine
        .count_refusal(Some(zone), RefusedAt::Sts, "slow_down");
    let test = test.restart().await;
    let own = summaries(&test.engine, zone).await;
    assert_eq!(own.len(), 1);
    assert_eq!(counts(&own[0]), [("sts.slow_down".to_owned(), 2)]);
    assert_eq!(own[0].since, Some(began));
}

#[tokio::test]
async fn a_client_is_known_only_with_its_secret() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let engine = &test.engine;
    let anton = zone.client("anton");
    let (id, secret) = (anton.client_id, &zone.secrets["anton"]);
    let check = |client_id: &str, secret: &str| {
        engine.check_client(&ClientCredentials {
            client_id: client_id.to_owned(),
            secret: secret.to_owned().into(),
        })
    };
    let known = check(&id, secret).unwrap();
    assert_eq!(known.zone, zone.id);
    assert_eq!(known.application.to_string(), id);
    assert_eq!(engine.find_zone_of_application(&id), Some(zone.id));
    let other = "app_00000000-0000-7000-8000-000000000001";
    assert_eq!(engine.find_zone_of_application(other), None);
    for (id, secret) in [
        (&*id, "wrong"),
        (other, secret.as_str()),
        ("", ""),
        ("x", secret.as_str()),
    ] {
        assert!(check(id, secret).is_err());
    }
}

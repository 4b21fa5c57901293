//! Searching.

use caracal_core::{
    ApplicationId, Decision, Event, EventType, MandateId, ResourceIdentifier, SessionId,
};
use caracal_store::{EvidenceStore, Query};
use jiff::{Timestamp, ToSpan};

use crate::conformance::sample::{Ids, TestLog, event, name};

pub(crate) async fn run<S: EvidenceStore>(make: &impl AsyncFn(&str) -> S) {
    let store = make("search").await;
    what_was_appended_is_found_at_once(&store).await;
    all_conditions_hold(&store).await;
    pages_follow_each_other(&store).await;
    store.close().await;
}

fn all() -> Query {
    Query {
        limit: 1000,
        ascending: true,
        ..Query::default()
    }
}

async fn ids<S: EvidenceStore>(store: &S, query: Query) -> Vec<String> {
    let page = store.search(query).await.unwrap();
    page.leaves
        .iter()
        .map(|(_, leaf)| {
            serde_json::from_slice::<Event>(leaf)
                .unwrap()
                .id
                .to_string()
        })
        .collect()
}

async fn what_was_appended_is_found_at_once<S: EvidenceStore>(store: &S) {
    let log = TestLog::new(Ids::zone());
    log.open(store).await;
    for _ in 0..20 {
        let event = event(log.zone);
        store.append(vec![log.entry_of(&event)]).await.unwrap();
        let query = Query {
            id: Some(event.id.to_string()),
            ..all()
        };
        assert_eq!(ids(store, query).await, [event.id.to_string()]);
    }
    assert_eq!(
        ids(
            store,
            Query {
                zone: Some(log.zone),
                ..all()
            }
        )
        .await
        .len(),
        20
    );
}

async fn all_conditions_hold<S: EvidenceStore>(store: &S) {
    let log = TestLog::new(Ids::zone());
    log.open(store).await;
    let application = ApplicationId::from_uuid(Ids::uuid());
    let session = SessionId::from_uuid(Ids::uuid());
    let mandate = MandateId::from_uuid(Ids::uuid());
    let resource = ResourceIdentifier::new(name("openai"));
    let start = Timestamp::from_second(1_800_000_000).unwrap();
    let mut events = Vec::new();
    for n in 0..6_i64 {
        let mut event = event(log.zone);
        event.time = start + n.seconds();
        event.decision =
            [Some(Decision::Allow), Some(Decision::Deny), None][usize::try_from(n % 3).unwrap()];
        event.event_type = if n < 3 {
            EventType::CallStarted
        } else {
            EventType::CallDenied
        };
        event.application = (n == 1).then_some(application);
        event.session = (n == 2).then_some(session);
        event.mandate = (n == 4).then_some(mandate);
        event.resource = (n == 5).then(|| resource.clone());
        events.push(event);
    }
    store
        .append(events.iter().map(|event| log.entry_of(event)).collect())
        .await
        .unwrap();
    // Another zone's events look the same.
    let other = TestLog::new(Ids::zone());
    other.open(store).await;
    let copies = events.iter().map(|event| {
        other.entry_of(&Event {
            zone: other.zone,
            ..event.clone()
        })
    });
    store.append(copies.collect()).await.unwrap();

    let of = || Query {
        zone: Some(log.zone),
        ..all()
    };
    let at = |seconds: i64| Some(start + seconds.seconds());
    for (query, expected) in [
        (of(), vec![0, 1, 2, 3, 4, 5]),
        (
            Query {
                request_id: Some(events[3].request_id.clone()),
                ..of()
            },
            vec![3],
        ),
        (
            Query {
                event_type: Some("call.denied".into()),
                ..of()
            },
            vec![3, 4, 5],
        ),
        (
            Query {
                decision: Some(Decision::Allow),
                ..of()
            },
            vec![0, 3],
        ),
        (
            Query {
                decision: Some(Decision::Deny),
                ..of()
            },
            vec![1, 4],
        ),
        (
            Query {
                decision: Some(Decision::Hold),
                ..of()
            },
            vec![],
        ),
        (
            Query {
                application: Some(application.to_string()),
                ..of()
            },
            vec![1],
        ),
        (
            Query {
                session: Some(session.to_string()),
                ..of()
            },
            vec![2],
        ),
        (
            Query {
                mandate: Some(mandate.to_string()),
                ..of()
            },
            vec![4],
        ),
        (
            Query {
                resource: Some(resource.to_string()),
                ..of()
            },
            vec![5],
        ),
        (
            Query {
                from: at(2),
                ..of()
            },
            vec![2, 3, 4, 5],
        ),
        (
            Query {
                until: at(2),
                ..of()
            },
            vec![0, 1],
        ),
        (
            Query {
                from: at(1),
                until: at(4),
                ..of()
            },
            vec![1, 2, 3],
        ),
        (
            Query {
                from: at(9),
                ..of()
            },
            vec![],
        ),
        (
            Query {
                until: Timestamp::from_second(1).ok(),
                ..of()
            },
            vec![],
        ),
        (
            Query {
                decision: Some(Decision::Deny),
                from: at(2),
                event_type: Some("call.denied".into()),
                ..of()
            },
            vec![4],
        ),
        (
            Query {
                id: Some(events[0].id.to_string()),
                decision: Some(Decision::Deny),
                ..of()
            },
            vec![],
        ),
        (
            Query {
                id: Some("' OR 1 = 1 --".into()),
                ..of()
            },
            vec![],
        ),
    ] {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|n: usize| events[n].id.to_string())
            .collect();
        let text = format!("{query:?}");
        assert_eq!(ids(store, query.clone()).await, expected, "{text}");
        let newest_first = ids(
            store,
            Query {
                ascending: false,
                ..query
            },
        )
        .await;
        assert!(
            newest_first.iter().rev().eq(&expected),
            "newest first: {text}"
        );
    }
    let everywhere = ids(
        store,
        Query {
            mandate: Some(mandate.to_string()),
            ..all()
        },
    )
    .await;
    assert_eq!(everywhere.len(), 2, "without a zone all are searched");
}

async fn pages_follow_each_other<S: EvidenceStore>(store: &S) {
    let log = TestLog::new(Ids::zone());
    log.open(store).await;
    let events: Vec<_> = (0..10).map(|_| event(log.zone)).collect();
    store
        .append(events.iter().map(|event| log.entry_of(event)).collect())
        .await
        .unwrap();
    for ascending in [true, false] {
        let mut expected: Vec<_> = events.iter().map(|event| event.id.to_string()).collect();
        if !ascending {
            expected.reverse();
        }
        for limit in [1, 3, 5, 10, 11] {
            let mut query = Query {
                zone: Some(log.zone),
                ascending,
                limit,
                ..Query::default()
            };
            let mut found = Vec::new();
            loop {
                let page = store.search(query.clone()).await.unwrap();
                assert!(page.leaves.len() <= limit);
                found.extend(page.leaves);
                query.cursor = page.next;
                if page.next.is_none() {
                    break;
                }
            }
            let ids: Vec<_> = found
                .iter()
                .map(|(_, leaf)| {
                    serde_json::from_slice::<Event>(leaf)
                        .unwrap()
                        .id
                        .to_string()
                })
                .collect();
            assert_eq!(ids, expected, "{limit} at a time");
            assert!(found.is_sorted_by(|a, b| if ascending { a.0 < b.0 } else { a.0 > b.0 }));
        }
    }
}

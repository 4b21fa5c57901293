use caracal_core::{Decision, Name, OperationRef};
use proptest::prelude::*;

use super::*;
use crate::fixture::{LOG, event, leaf};

fn whole(event: &Event, index: u64) -> Vec<u8> {
    let event = Event {
        log: Some(LOG),
        index: Some(index),
        ..event.clone()
    };
    serde_json_canonicalizer::to_vec(&event).unwrap()
}

#[test]
fn a_leaf_is_sorted_json_without_space() {
    let text = String::from_utf8(leaf(5, 7)).unwrap();
    assert_eq!(
        text,
        r#"{"id":"evt_00000000-0000-0000-0000-000000000005","index":7,"log":"log_00000000-0000-0000-0000-000000000001","node":"node_00000000-0000-0000-0000-000000000003","request_id":"req-5","time":"2023-11-14T22:13:20Z","type":"call.started","v":1,"zone":"zone_00000000-0000-0000-0000-000000000002"}"#
    );
}

#[test]
fn a_draft_keeps_what_it_is_about() {
    let draft = LeafDraft::new(&event(5), LOG).unwrap();
    assert_eq!(
        (draft.log(), draft.zone(), draft.event_id()),
        (LOG, event(5).zone, event(5).id)
    );
}

#[test]
fn what_the_event_said_about_its_place_is_replaced() {
    let other = LogId::from_uuid(uuid::Uuid::max());
    let placed = Event {
        log: Some(other),
        index: Some(99),
        ..event(5)
    };
    assert_eq!(LeafDraft::new(&placed, LOG).unwrap().finish(7), leaf(5, 7));
}

#[test]
fn text_that_looks_like_the_hole_is_not_taken_for_it() {
    let tricky = Event {
        application: None,
        decision: Some(Decision::Allow),
        reason: Some(r#"x,"index":0,"#.to_owned()),
        inputs_digest: Some(r#"","index":0,"#.to_owned()),
        operation: Some(OperationRef {
            method: r#"\","index":0,"#.to_owned(),
            path: Some(r#"\\"#.to_owned()),
            tool: None,
        }),
        request_id: r#","index":0,"#.to_owned(),
        ..event(1)
    };
    assert_eq!(
        LeafDraft::new(&tricky, LOG).unwrap().finish(12),
        whole(&tricky, 12)
    );
}

#[test]
fn numbers_that_json_does_not_write_exactly_are_refused() {
    let most = (1 << 53) - 1;
    assert!(
        LeafDraft::new(
            &Event {
                latency_ms: Some(most),
                ..event(1)
            },
            LOG
        )
        .is_ok()
    );
    for event in [
        Event {
            latency_ms: Some(most + 1),
            ..event(1)
        },
        Event {
            revision: Some(u64::MAX),
            ..event(1)
        },
        Event {
            counts: Some([("sts.slow_down".to_owned(), most + 1)].into()),
            ..event(1)
        },
    ] {
        assert!(matches!(
            LeafDraft::new(&event, LOG),
            Err(LedgerError::Uncanonical(_))
        ));
    }
    let long = Event {
        reason: Some("r".repeat(MAX_LEAF_BYTES)),
        ..event(1)
    };
    assert!(matches!(
        LeafDraft::new(&long, LOG),
        Err(LedgerError::Uncanonical(_))
    ));
}

proptest! {
    #[test]
    fn a_spliced_leaf_is_the_canonical_whole(
        index in 0..=crate::MAX_LOG_SIZE,
        request_id: String,
        reason: Option<String>,
        inputs_digest: Option<String>,
        operation in proptest::option::of((".*", proptest::option::of(".*"), proptest::option::of(".*"))),
        policies in proptest::option::of(proptest::collection::vec("[a-z][a-z0-9-]{0,20}", 0..4)),
        latency_ms in proptest::option::of(0..=MAX_EXACT),
        status: Option<u16>,
        revision in proptest::option::of(0..=MAX_EXACT),
        counts in proptest::option::of(proptest::collection::btree_map("[a-z]{1,8}[.][a-z_]{0,20}", 0..=MAX_EXACT, 0..20)),
        since in proptest::option::of(0..2_000_000_000_000_i64),
        ids in proptest::array::uniform5(proptest::option::of(any::<u128>())),
        scopes in proptest::option::of(proptest::collection::vec("[a-z]{1,8}:[a-z]{1,8}", 0..4)),
        target in proptest::option::of((".*", "[a-z][a-z0-9-]{0,20}")),
    ) {
        let [application, session, mandate, subject, trace] = ids.map(|id| id.map(uuid::Uuid::from_u128));
        let event = Event {
            request_id,
            reason,
            inputs_digest,
            operation: operation.map(|(method, path, tool)| OperationRef { method, path, tool }),
            policies: policies.map(|names| names.iter().map(|name| name.parse::<Name>().unwrap()).collect()),
            latency_ms,
            status,
            revision,
            counts,
            since: since.map(|millis| jiff::Timestamp::from_millisecond(millis).unwrap()),
            application: application.map(caracal_core::ApplicationId::from_uuid),
            service: subject.map(caracal_core::ApplicationId::from_uuid),
            session: session.map(caracal_core::SessionId::from_uuid),
            approval: trace.map(caracal_core::ApprovalId::from_uuid),
            mandate: mandate.map(caracal_core::MandateId::from_uuid),
            subject: subject.map(caracal_core::SubjectId::from_uuid),
            trace_id: trace.and_then(|id| id.simple().to_string().parse().ok()),
            scopes: scopes.map(|scopes| scopes.iter().map(|scope| scope.parse().unwrap()).collect()),
            operator: target.clone().map(|(text, _)| text),
            target_name: target.as_ref().map(|(_, name)| name.parse().unwrap()),
            target: target.map(|(text, _)| text),
            ..event(1)
        };
        let finished = LeafDraft::new(&event, LOG).unwrap().finish(index);
        prop_assert_eq!(&finished, &whole(&event, index));
        let read: Event = serde_json::from_slice(&finished).unwrap();
        prop_assert_eq!(read, Event { log: Some(LOG), index: Some(index), ..event });
    }
}

//! How much policy is asked for one request: counted, never timed.

use caracal_core::{Authority, DelegationId};
use caracal_engine::{
    CreateDelegation, IssueError, MAX_PATH_SESSIONS, MAX_QUESTIONS, OpenSession, OpenedSession,
};
use caracal_testkit::{SeededZone, TestEngine};

use super::delegations::{accept, lend, lends, mint_by, opened, world};
use super::sessions::{as_session, code, only_read, open, slice};

/// So many scopes has the largest slice.
const SCOPES: usize = 256;

fn asked(test: &TestEngine) -> u64 {
    test.engine.figures().policy_questions
}

fn child_of(parent: &OpenedSession) -> OpenSession {
    OpenSession {
        parent_id: Some(parent.session.id),
        ..OpenSession::default()
    }
}

/// The last of so many sessions, each below the one before.
async fn chain(test: &TestEngine, zone: &SeededZone, count: usize) -> OpenedSession {
    let mut last = opened(test, zone, "anton").await;
    for _ in 1..count {
        last = open(test, zone, "anton", child_of(&last)).await.unwrap();
    }
    last
}

#[tokio::test]
async fn a_session_that_is_on_a_path_more_than_once_is_asked_once() {
    let (test, zone) = world("permit (principal, action, resource);").await;
    let root = opened(&test, &zone, "anton").await;
    let lender = open(&test, &zone, "anton", child_of(&root)).await.unwrap();
    let narrow = OpenSession {
        authority: Some(slice(serde_json::json!(
            [{"resource": "resource://notes", "scopes": ["read"]}]
        ))),
        ..child_of(&root)
    };
    let sibling = open(&test, &zone, "anton", narrow).await.unwrap();
    let lent = lend(&test, &lender, lends(&lender, &sibling, only_read()))
        .await
        .unwrap();
    let before = asked(&test);
    mint_by(&test, &sibling, Some(lent.id), Some("read"))
        .await
        .unwrap();
    assert_eq!(asked(&test) - before, 3);
}

#[tokio::test]
async fn the_search_for_a_path_ends_at_the_second_that_suffices() {
    let (test, zone) =
        world("permit (principal in Application::\"anton\", action, resource);").await;
    let borrower = opened(&test, &zone, "berta").await;
    let mut lent = Vec::new();
    for _ in 0..5 {
        lent.push(offered(&test, &zone, &borrower, only_read()).await);
    }
    let before = asked(&test);
    let refused = mint_by(&test, &borrower, None, Some("read")).await;
    let Err(IssueError::InvalidTarget(why)) = refused else {
        panic!("one of five was chosen");
    };
    let named = lent.iter().filter(|id| why.contains(&id.to_string()));
    assert_eq!(named.count(), 2, "{why}");
    // The own root has no permit. Each of the others is lent, permitted and not forbidden.
    assert_eq!(asked(&test) - before, 1 + 2 * 3);
    let before = asked(&test);
    let onward = CreateDelegation {
        max_depth: None,
        ..lends(&borrower, &opened(&test, &zone, "berta").await, only_read())
    };
    assert_eq!(code(lend(&test, &borrower, onward).await), "invalid_target");
    assert_eq!(asked(&test) - before, 1 + 2 * 2);
}

/// Lends from a new session of `anton`.
async fn offered(
    test: &TestEngine,
    zone: &SeededZone,
    to: &OpenedSession,
    authority: Authority,
) -> DelegationId {
    let lender = opened(test, zone, "anton").await;
    let offer = lend(test, &lender, lends(&lender, to, authority))
        .await
        .unwrap();
    accept(test, to, offer.id).await.unwrap();
    offer.id
}

#[tokio::test]
async fn only_so_many_paths_are_tried() {
    let cedar = "permit (principal in Application::\"anton\", action, resource);\
                 forbid (principal in Application::\"berta\", action == Action::\"read\", resource);";
    let (test, zone) = world(cedar).await;
    let borrower = opened(&test, &zone, "berta").await;
    let writes = slice(serde_json::json!([{"resource": "resource://items", "scopes": ["write"]}]));
    for n in 0..9 {
        if n == 8 {
            // Eight are tried; what cannot suffice is none of them.
            let refused = mint_by(&test, &borrower, None, Some("read")).await;
            assert_eq!(code(refused), "access_denied");
            for _ in 0..3 {
                offered(&test, &zone, &borrower, writes.clone()).await;
            }
            let refused = mint_by(&test, &borrower, None, Some("read")).await;
            assert_eq!(code(refused), "access_denied");
        }
        offered(&test, &zone, &borrower, only_read()).await;
    }
    let before = asked(&test);
    let refused = mint_by(&test, &borrower, None, Some("read")).await;
    assert_eq!(code(refused), "invalid_target");
    assert_eq!(asked(&test) - before, 1 + 8 * 3);
}

/// A zone whose resource `items` has one scope more than a slice, and the longest path to it:
/// the session at its end, and the delegation.
async fn longest() -> (TestEngine, SeededZone, OpenedSession, DelegationId) {
    let test = TestEngine::in_memory().await;
    let mut spec = SeededZone::spec("permit (principal, action, resource);");
    for resource in &mut spec.resources {
        if resource.name.as_str() == "items" {
            let more = (resource.scopes.len()..=SCOPES).map(|n| format!("s{n}").parse().unwrap());
            resource.scopes.extend(more);
        }
    }
    let zone = test.seed("wide", spec).await;
    let lender = chain(&test, &zone, 17).await;
    let borrower = chain(&test, &zone, MAX_PATH_SESSIONS - 17).await;
    let lent = lend(&test, &lender, lends(&lender, &borrower, all_but_one()))
        .await
        .unwrap();
    (test, zone, borrower, lent.id)
}

fn names() -> Vec<String> {
    let more = (2..SCOPES).map(|n| format!("s{n}"));
    ["read", "write"]
        .map(str::to_owned)
        .into_iter()
        .chain(more)
        .collect()
}

fn all_but_one() -> Authority {
    slice(serde_json::json!([{"resource": "resource://items", "scopes": names()}]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_mint_on_the_longest_path_is_the_most_that_is_asked() {
    let (test, zone, borrower, lent) = longest().await;
    let all = names().join(" ");
    let before = asked(&test);
    mint_by(&test, &borrower, Some(lent), Some(&all))
        .await
        .unwrap();
    assert_eq!(asked(&test) - before, MAX_QUESTIONS as u64);
    // One scope more, and nothing at all is asked.
    let before = asked(&test);
    let refused = mint_by(&test, &borrower, Some(lent), None).await;
    assert_eq!(code(refused), "invalid_request");
    assert_eq!(asked(&test) - before, 0);
    // A path that is longer cannot be made, and what is lent beside it is not counted.
    let lender = chain(&test, &zone, 17).await;
    let lower = open(&test, &zone, "anton", child_of(&borrower))
        .await
        .unwrap();
    let refused = lend(&test, &lender, lends(&lender, &lower, only_read())).await;
    assert_eq!(code(refused), "depth_exceeded");
    let offer = CreateDelegation {
        to: caracal_core::Receiver::Application(zone.id_of("anton")),
        ..lends(&lender, &lower, only_read())
    };
    let offer = lend(&test, &lender, offer).await.unwrap();
    assert_eq!(
        code(accept(&test, &lower, offer.id).await),
        "depth_exceeded"
    );
}

#[tokio::test]
async fn what_a_session_may_do_is_told_up_to_a_limit() {
    let (test, zone, borrower, lent) = longest().await;
    let told = || async {
        let caller = as_session(&borrower);
        let session = borrower.session.id;
        test.engine.session_authority(&caller, None, session).await
    };
    let paths = told().await.unwrap();
    assert_eq!(paths.len(), 2);
    assert_eq!(paths[1].delegation, Some(lent));
    assert_eq!(paths[1].authority.iter().count(), SCOPES);
    for _ in 0..3 {
        let lender = chain(&test, &zone, 17).await;
        lend(&test, &lender, lends(&lender, &borrower, all_but_one()))
            .await
            .unwrap();
    }
    let before = asked(&test);
    assert_eq!(code(told().await), "limit_exceeded");
    assert!(asked(&test) - before <= caracal_engine::MAX_AUTHORITY_QUESTIONS as u64);
}

#[tokio::test]
async fn a_request_without_a_session_is_bounded_too() {
    let test = TestEngine::in_memory().await;
    let mut spec = SeededZone::spec("permit (principal, action, resource);");
    let names: Vec<_> = (0..17).map(|n| format!("wide-{n}")).collect();
    for name in &names {
        let mut wide = SeededZone::resource(name, None);
        wide.scopes
            .extend((2..500).map(|n| format!("s{n}").parse().unwrap()));
        spec.resources.push(wide);
    }
    let zone = test.seed("wide", spec).await;
    let names: Vec<_> = names
        .iter()
        .map(|name| format!("resource://{name}"))
        .collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let before = asked(&test);
    let refused = zone.mint(&test.engine, &names, None).await;
    assert_eq!(code(refused), "invalid_request");
    assert_eq!(asked(&test) - before, 0);
    zone.mint(&test.engine, &names, Some("s2 s3"))
        .await
        .unwrap();
    assert_eq!(asked(&test) - before, 17 * 2);
    zone.mint(&test.engine, &names[..16], None).await.unwrap();
    assert_eq!(asked(&test) - before, 17 * 2 + 16 * 500);
}

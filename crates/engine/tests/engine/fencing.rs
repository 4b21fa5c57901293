//! A session that is taken over while its old holder goes on: every order of the two.

use caracal_core::{Anchor, RefusalCode};
use caracal_engine::{EndingKind, OpenSession, OpenedSession};
use caracal_testkit::{AppendFault, CommitFault, SeededZone, Stalled, TestEngine};

use super::delegations::{lend, lends, opened, world};
use super::sessions::{as_session, call, code, mint, only_read};

const ALL: &str = "permit (principal in Application::\"anton\", action, resource);";

/// Takes the session over with the application's own secret.
async fn take_over(test: &TestEngine, zone: &SeededZone, session: &OpenedSession) {
    let anton = zone.credentials("anton");
    let id = session.session.id;
    let taken = test.engine.beat_session(&anton, None, id, 2, "req_take");
    assert_eq!(taken.await.unwrap().1.generation, 2);
}

#[tokio::test]
async fn what_is_minted_while_the_takeover_is_committed_is_dead_after_it() {
    let (test, zone) = world(ALL).await;
    let old = opened(&test, &zone, "anton").await;
    let mut feed = test
        .engine
        .follow_endings(zone.credentials("berta"), None, None)
        .await
        .unwrap();
    feed.next().await.unwrap();
    let stalled = Stalled::new();
    test.store()
        .fail_commit(CommitFault::Stall(stalled.clone()));
    let taking = take_over(&test, &zone, &old);
    let meanwhile = async {
        stalled.reached().await;
        // Another commit, so that what is minted is decided on a later revision than the takeover.
        opened(&test, &zone, "anton").await;
        let minted = mint(&test, &old, None).await.unwrap();
        let again = super::delegations::mint_by(&test, &old, None, Some("read"));
        let again = again.await.unwrap();
        let permit = zone.call(&test.engine, &minted.text, "items", "GET", "/v1/x");
        let permit = permit.await.unwrap();
        stalled.release();
        (minted, again, permit)
    };
    let ((), (minted, again, permit)) = tokio::join!(taking, meanwhile);
    assert!(permit.cut().is_cancelled());
    for mandate in [&minted, &again] {
        assert_eq!(
            call(&test, &zone, &mandate.text, "GET").await,
            Err(RefusalCode::MandateRevoked)
        );
    }
    // Whoever verifies by itself is told exactly as much.
    let fenced = loop {
        let told = feed.next().await.unwrap();
        if let Some(found) = told.endings.iter().find(|e| e.kind == EndingKind::Fenced) {
            break found.clone();
        }
    };
    assert_eq!(fenced.anchor, Some(Anchor::Session(old.session.id)));
    assert_eq!(fenced.generation, Some(2));
    let opened = test.engine.open_mandate(&minted.text).await.unwrap();
    assert_eq!(opened.claims().generation, Some(1));
    let decided: u64 = opened
        .claims()
        .rev
        .split('.')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let through = fenced.through.unwrap();
    assert!(decided <= through.0 && through < fenced.revision);
}

#[tokio::test]
async fn a_mandate_whose_evidence_waits_is_dead_when_it_comes() {
    let (test, zone) = world(ALL).await;
    let old = opened(&test, &zone, "anton").await;
    let stalled = Stalled::new();
    test.store()
        .fail_append(AppendFault::Stall(stalled.clone()));
    let minting = mint(&test, &old, None);
    let taking = async {
        stalled.reached().await;
        // Its own evidence comes after that of the mint.
        let taking = take_over(&test, &zone, &old);
        let release = async {
            let followed = || {
                let anton = zone.credentials("anton");
                let id = old.session.id;
                let engine = &test.engine;
                async move { engine.get_session(&anton, None, id).await.unwrap().1 }
            };
            while followed().await.generation != 2 {
                tokio::task::yield_now().await;
            }
            stalled.release();
        };
        tokio::join!(taking, release)
    };
    let (minted, _) = tokio::join!(minting, taking);
    let minted = minted.unwrap();
    assert_eq!(
        call(&test, &zone, &minted.text, "GET").await,
        Err(RefusalCode::MandateRevoked)
    );
}

#[tokio::test]
async fn an_old_holder_that_comes_to_commit_too_late_is_refused() {
    let (test, zone) = world(ALL).await;
    for what in ["open", "lend", "suspend", "close", "beat"] {
        let old = opened(&test, &zone, "anton").await;
        let other = opened(&test, &zone, "anton").await;
        let caller = as_session(&old);
        let id = old.session.id;
        let stalled = Stalled::new();
        test.store()
            .fail_commit(CommitFault::Stall(stalled.clone()));
        let late = async {
            let engine = &test.engine;
            match what {
                "open" => {
                    let child = OpenSession {
                        parent_id: Some(id),
                        request_id: "req_child".to_owned(),
                        ..OpenSession::default()
                    };
                    code(engine.open_session(&caller, None, child).await)
                }
                "lend" => code(lend(&test, &old, lends(&old, &other, only_read())).await),
                "suspend" => {
                    let status = caracal_core::SessionStatus::Suspended;
                    let set = engine.set_session_status(&caller, None, id, status, "req_late");
                    code(set.await)
                }
                "close" => code(engine.close_session(&caller, None, id, "req_late").await),
                _ => code(engine.beat_session(&caller, None, id, 2, "req_late").await),
            }
        };
        let taking = async {
            stalled.reached().await;
            take_over(&test, &zone, &old).await;
            stalled.release();
        };
        let (late, ()) = tokio::join!(late, taking);
        assert_eq!(late, "stale_generation", "{what}");
        assert_eq!(code(mint(&test, &old, None).await), "invalid_grant");
    }
}

//! What sinks and approvals keep sealed.

use std::collections::BTreeSet;

use caracal_core::{Role, SinkEvent, SinkKind};
use caracal_crypto::{Keyring, MasterKey};
use caracal_engine::{Admin, AdminError, IssueError, SinkSpec};
use caracal_testkit::{SeededZone, TestEngine};

const HELD: &str = "@approval(\"operator\") permit (principal, action, resource);";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn hook(url: &str, secret: Option<&str>) -> SinkSpec {
    SinkSpec {
        name: "hook".parse().unwrap(),
        kind: SinkKind::Webhook {
            url: url.to_owned(),
        },
        secret: secret.map(|text| text.to_owned().into()),
        events: BTreeSet::from([SinkEvent::Requested]),
        include_request: false,
        allow_private: false,
    }
}

async fn put(
    test: &TestEngine,
    zone: &SeededZone,
    spec: SinkSpec,
) -> Result<caracal_core::Sink, AdminError> {
    let changed = test
        .engine
        .update_sink(zone.id, &test.admin(), "hook", spec)
        .await;
    changed.map(|held| held.value)
}

#[tokio::test]
async fn a_new_master_key_seals_sinks_and_approvals_again_and_both_stay_readable() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD).await;
    let spec = hook("https://a.example/", Some(SECRET));
    test.engine
        .create_sink(zone.id, &test.admin(), spec)
        .await
        .unwrap();
    let asked = zone.asks("anton", &["resource://items"], Some("read"));
    let Err(IssueError::InteractionRequired { approval: id, .. }) = test.engine.issue(asked).await
    else {
        panic!("it is not held");
    };
    let shown = |test: &TestEngine| {
        let held = test
            .engine
            .get_approval(zone.id, &test.admin(), id)
            .unwrap();
        test.engine
            .show_approval(zone.id, &test.admin(), &held.value)
            .unwrap()
    };
    let before = shown(&test);
    test.engine.close().await;
    let old = MasterKey::from_bytes(&TestEngine::MASTER_KEY).unwrap();
    let new = || MasterKey::from_bytes(&[7; 32]).unwrap();
    let both = Keyring::new(new()).with_older(old);
    let test = TestEngine::try_with_keys(test.store().reopen(), test.clock.clone(), both)
        .await
        .unwrap();
    let settled = async {
        loop {
            let status = test.engine.master_key_status(&test.admin()).unwrap();
            if status.pending == 0 && status.settled_at.is_some() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), settled)
        .await
        .unwrap();
    test.engine.close().await;
    // The new key alone opens everything.
    let alone = Keyring::new(new());
    let test = TestEngine::try_with_keys(test.store().reopen(), test.clock.clone(), alone)
        .await
        .unwrap();
    assert_eq!(shown(&test), before);
    let same = put(&test, &zone, hook("https://a.example/", Some(SECRET))).await;
    assert!(
        same.unwrap().older.is_none(),
        "the same secret is no change"
    );
}

#[tokio::test]
async fn a_secret_is_for_one_host_and_signs_for_a_day_beside_the_next() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD).await;
    let spec = hook("https://a.example/", Some(SECRET));
    test.engine
        .create_sink(zone.id, &test.admin(), spec)
        .await
        .unwrap();
    let moved = put(&test, &zone, hook("https://b.example/", None)).await;
    assert!(matches!(moved, Err(AdminError::Invalid(_))), "{moved:?}");
    let path = put(&test, &zone, hook("https://a.example/other", None)).await;
    assert!(path.unwrap().older.is_none());
    let next = put(&test, &zone, hook("https://a.example/other", Some(OTHER))).await;
    let older = next.unwrap().older.unwrap();
    let lasts = older.until.duration_since(test.engine.now());
    assert!(
        lasts.as_secs() > 86_000 && lasts.as_secs() <= 86_400,
        "{lasts:?}"
    );
    // A secret that goes elsewhere takes nothing along.
    let away = put(&test, &zone, hook("https://b.example/", Some(SECRET))).await;
    assert!(away.unwrap().older.is_none());
    let viewer = test
        .engine
        .create_token(
            &test.admin(),
            Some(zone.id),
            "v".parse().unwrap(),
            Role::Viewer,
            60,
        )
        .await;
    let text = viewer.unwrap().text.unwrap();
    let viewer = test.engine.authenticate_operator(&text).unwrap();
    let viewer = Admin::new(viewer, "req_v");
    let refused = test.engine.delete_sink(zone.id, &viewer, "hook").await;
    assert_eq!(refused, Err(AdminError::Forbidden { needed: "admin" }));
}

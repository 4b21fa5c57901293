//! What an engine knows after any history is what the store says.

use caracal_core::{Anchor, ApplicationId, ResourceId};
use caracal_engine::{Engine, ZoneSpec};
use caracal_testkit::{FakeClock, SeededZone, TestEngine};
use proptest::prelude::*;

const ALL: &str = "permit (principal, action, resource);";
const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Act {
    CreateApplication(usize),
    DeleteApplication(usize),
    CreateResource(usize),
    DeleteResource(usize),
    CreateToken(usize),
    DeleteToken(usize),
    Apply(usize, bool),
    RevokeApplication(usize),
    RevokeResource(usize),
    LiftOne,
    Freeze,
    Store(usize),
    Restart,
    Crash,
}

fn act() -> impl Strategy<Value = Act> {
    let name = 0..NAMES.len();
    prop_oneof![
        3 => name.clone().prop_map(Act::CreateApplication),
        2 => name.clone().prop_map(Act::DeleteApplication),
        3 => name.clone().prop_map(Act::CreateResource),
        2 => name.clone().prop_map(Act::DeleteResource),
        1 => name.clone().prop_map(Act::CreateToken),
        1 => name.clone().prop_map(Act::DeleteToken),
        2 => (name.clone(), any::<bool>()).prop_map(|(n, prune)| Act::Apply(n, prune)),
        2 => name.clone().prop_map(Act::RevokeApplication),
        1 => name.clone().prop_map(Act::RevokeResource),
        2 => Just(Act::LiftOne),
        1 => Just(Act::Freeze),
        1 => name.prop_map(Act::Store),
        1 => Just(Act::Restart),
        1 => Just(Act::Crash),
    ]
}

/// Everything that can be asked about a zone.
async fn state_of(engine: &Engine, zone: &SeededZone, test: &TestEngine) -> String {
    let admin = test.admin();
    let held = engine.export(zone.id, &admin).unwrap();
    let mut revocations = engine.list_revocations(zone.id, &admin).unwrap();
    revocations.sort_by_key(|r| r.value.id);
    let mut bundles = engine.list_bundles(zone.id, &admin).unwrap();
    bundles.sort_by_key(|b| b.value.id);
    let mut minted = Vec::new();
    for resource in NAMES {
        let identifier = format!("resource://{resource}");
        let found = zone.mint(engine, &[&identifier], None).await;
        minted.push(found.map(|m| m.scope).map_err(|e| e.code()));
    }
    format!(
        "{held:?}\n{revocations:?}\n{bundles:?}\n{:?}\n{:?}\n{minted:?}",
        engine.get_zone(&admin, zone.id).unwrap(),
        engine.list_tokens(&admin, Some(zone.id)).unwrap(),
    )
}

async fn perform(test: TestEngine, zone: &SeededZone, act: &Act) -> TestEngine {
    let admin = test.admin();
    let engine = test.engine.clone();
    let id = zone.id;
    // Whether it is possible does not matter here, only what it leaves behind.
    match act {
        Act::CreateApplication(n) => {
            let spec = SeededZone::application(NAMES[*n]);
            let _ = engine.create_application(id, &admin, spec).await;
        }
        Act::DeleteApplication(n) => {
            let _ = engine.delete_application(id, &admin, NAMES[*n]).await;
        }
        Act::CreateResource(n) => {
            let spec = SeededZone::resource(NAMES[*n], None);
            let _ = engine.create_resource(id, &admin, spec).await;
        }
        Act::DeleteResource(n) => {
            let _ = engine.delete_resource(id, &admin, NAMES[*n]).await;
        }
        Act::CreateToken(n) => {
            let name = NAMES[*n].parse().unwrap();
            let role = caracal_core::Role::Viewer;
            let _ = engine.create_token(&admin, Some(id), name, role, 60).await;
        }
        Act::DeleteToken(n) => {
            let _ = engine.delete_token(&admin, Some(id), NAMES[*n]).await;
        }
        Act::Apply(n, prune) => {
            let name = NAMES[*n];
            let cedar = format!("permit (principal in Application::\"{name}\", action, resource);");
            let spec = ZoneSpec {
                applications: vec![
                    SeededZone::application(name),
                    SeededZone::application("anton"),
                ],
                resources: vec![SeededZone::resource(name, None)],
                policies: vec![
                    SeededZone::policy(name, &cedar),
                    SeededZone::policy("rules", ALL),
                ],
                prune: *prune,
                ..ZoneSpec::default()
            };
            engine.apply(id, &admin, spec).await.unwrap();
        }
        Act::RevokeApplication(n) => {
            if let Ok(held) = engine.get_application(id, &admin, NAMES[*n]) {
                let anchor: Anchor = Anchor::Application(held.value.id);
                let _: ApplicationId = held.value.id;
                engine.revoke(id, &admin, anchor, None).await.unwrap();
            }
        }
        Act::RevokeResource(n) => {
            if let Ok(held) = engine.get_resource(id, &admin, NAMES[*n]) {
                let resource: ResourceId = held.value.id;
                engine
                    .revoke(id, &admin, Anchor::Resource(resource), None)
                    .await
                    .unwrap();
            }
        }
        Act::Freeze => {
            engine
                .revoke(id, &admin, Anchor::Zone(id), None)
                .await
                .unwrap();
        }
        Act::LiftOne => {
            let held = engine.list_revocations(id, &admin).unwrap();
            if let Some(one) = held.iter().find(|r| r.value.lifted_after.is_none()) {
                engine.lift(id, &admin, one.value.id).await.unwrap();
            }
        }
        Act::Store(n) => {
            let policy = SeededZone::policy(NAMES[*n], ALL);
            engine.store_bundle(id, &admin, vec![policy]).await.unwrap();
        }
        Act::Restart => return test.restart().await,
        Act::Crash => return test.crash().await,
    }
    test
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_view_is_what_a_fresh_load_of_the_store_gives(acts in proptest::collection::vec(act(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut test = TestEngine::in_memory().await;
            let zone = test.seed("history", SeededZone::spec(ALL)).await;
            for act in &acts {
                test = perform(test, &zone, act).await;
            }
            let kept = state_of(&test.engine, &zone, &test).await;
            let fresh = TestEngine::over(test.store().reopen(), FakeClock::new()).await;
            let loaded = state_of(&fresh.engine, &zone, &fresh).await;
            assert_eq!(kept, loaded, "after {acts:?}");
        });
    }
}

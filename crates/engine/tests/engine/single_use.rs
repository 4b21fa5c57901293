//! Resources on which a mandate, or a proof of its key, is good for one call.

use std::time::Duration;

use caracal_core::{Event, EventType, RefusalCode};
use caracal_engine::{CallRequest, IssueRequest, PresentedAs, Refusal, Selector, ZoneSpec};
use caracal_testkit::{
    ClaimFault, FakeClock, MemoryStore, Prover, SeededZone, Stalled, TestEngine,
};
use serde_json::Value;

const ALL: &str = "permit (principal, action, resource);";
const PATH: &str = "/r/items/v1/a";
const URL: &str = "http://localhost:8081/r/items/v1/a";

/// The configuration of a zone whose resource `items` takes everything once.
fn once(single_use: bool) -> ZoneSpec {
    let mut spec = SeededZone::spec(ALL);
    for resource in &mut spec.resources {
        resource.single_use = single_use && resource.name.as_str() == "items";
    }
    spec
}

struct World {
    test: TestEngine,
    zone: SeededZone,
    prover: Prover,
}

impl World {
    async fn start() -> Self {
        let test = TestEngine::in_memory().await;
        let zone = test.seed("zone", once(true)).await;
        Self {
            test,
            zone,
            prover: Prover::new(),
        }
    }

    async fn mint(&self, is_bound: bool) -> String {
        let request = IssueRequest {
            key: is_bound.then(|| self.prover.thumbprint().to_owned()),
            ..self
                .zone
                .asks("anton", &["resource://items", "resource://notes"], None)
        };
        self.test.engine.issue(request).await.unwrap().text
    }

    /// The claims of a good proof.
    fn proof(&self, mandate: &str) -> Value {
        let engine = &self.test.engine;
        let nonce = engine.dpop_nonce(self.zone.id).unwrap();
        self.prover
            .claims_with(mandate, "GET", URL, engine.now(), &nonce)
    }

    /// Makes a call as the Gateway would.
    async fn call(&self, mandate: &str, presented: &PresentedAs) -> Result<(), Refusal> {
        self.call_to("items", mandate, presented).await
    }

    async fn call_to(
        &self,
        resource: &str,
        mandate: &str,
        presented: &PresentedAs,
    ) -> Result<(), Refusal> {
        let engine = &self.test.engine;
        let opened = engine.open_mandate(mandate).await.unwrap();
        let opened = engine.prove_mandate(opened, presented, "req_1").await?;
        let selector = Selector {
            name: Some(resource.to_owned()),
            ..Selector::default()
        };
        let target = engine.select_resource(opened, &selector, "req_1").await?;
        let path = caracal_core::RequestPath::parse("/v1/a").unwrap();
        let call = CallRequest::new("req_1", "GET", path);
        engine.authorize_call(target, &call).await.map(drop)
    }

    fn dpop(&self, claims: &Value) -> PresentedAs {
        PresentedAs::Dpop(self.prover.shown(claims, "GET", PATH))
    }

    async fn events(&self, event_type: EventType) -> Vec<Event> {
        let events = self.zone.events(&self.test.engine).await;
        let of_type = events.into_iter().filter(|e| e.event_type == event_type);
        of_type.collect()
    }

    async fn count(&self, event_type: EventType) -> usize {
        self.events(event_type).await.len()
    }
}

fn code(result: Result<(), Refusal>) -> Option<RefusalCode> {
    result.err().map(|refusal| refusal.code)
}

#[tokio::test]
async fn a_bearer_mandate_is_good_for_one_call() {
    let world = World::start().await;
    let mandate = world.mint(false).await;
    let call = || world.call(&mandate, &PresentedAs::Bearer);
    // Another resource does not ask for it.
    for _ in 0..2 {
        let other = world.call_to("notes", &mandate, &PresentedAs::Bearer).await;
        assert_eq!(code(other), None);
    }
    let (first, second) = tokio::join!(call(), call());
    let mut codes = [code(first), code(second)];
    codes.sort_by_key(Option::is_some);
    assert_eq!(codes, [None, Some(RefusalCode::MandateReplayed)]);
    assert_eq!(code(call().await), Some(RefusalCode::MandateReplayed));
    assert_eq!(world.count(EventType::CallStarted).await, 3);
    let denied = world.events(EventType::CallDenied).await;
    let reasons: Vec<_> = denied.iter().map(|e| e.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("mandate_replayed"); 2]);
    // A fresh one is good again.
    let fresh = world.mint(false).await;
    assert_eq!(code(world.call(&fresh, &PresentedAs::Bearer).await), None);
}

#[tokio::test]
async fn a_bound_mandate_is_good_for_as_many_calls_as_it_has_proofs() {
    let world = World::start().await;
    let mandate = world.mint(true).await;
    let used = world.proof(&mandate);
    for claims in [used.clone(), world.proof(&mandate)] {
        assert_eq!(code(world.call(&mandate, &world.dpop(&claims)).await), None);
    }
    // A node that starts has no memory, and the store has.
    let World { test, zone, prover } = world;
    let world = World {
        test: test.restart().await,
        zone,
        prover,
    };
    let again = world.call(&mandate, &world.dpop(&used)).await;
    assert_eq!(code(again), Some(RefusalCode::MandateReplayed));
    let fresh = world.proof(&mandate);
    assert_eq!(code(world.call(&mandate, &world.dpop(&fresh)).await), None);
}

#[tokio::test]
async fn what_cannot_be_written_is_not_called() {
    let world = World::start().await;
    let mandate = world.mint(false).await;
    for fault in [ClaimFault::Before, ClaimFault::Full] {
        world.test.store().fail_claim(fault);
        let refused = world.call(&mandate, &PresentedAs::Bearer).await;
        assert_eq!(code(refused), Some(RefusalCode::LedgerUnavailable));
    }
    // Where nobody knows whether it was claimed, it counts as used from then on.
    world.test.store().fail_claim(ClaimFault::After);
    let ambiguous = world.call(&mandate, &PresentedAs::Bearer).await;
    assert_eq!(code(ambiguous), Some(RefusalCode::LedgerUnavailable));
    let again = world.call(&mandate, &PresentedAs::Bearer).await;
    assert_eq!(code(again), Some(RefusalCode::MandateReplayed));
    assert_eq!(world.count(EventType::CallStarted).await, 0);
    assert_eq!(world.count(EventType::CallDenied).await, 4);
}

#[tokio::test]
async fn a_crash_before_the_answer_leaves_it_used() {
    let world = World::start().await;
    let mandate = world.mint(false).await;
    let store = world.test.store().clone();
    store.fail_claim(ClaimFault::After);
    let _ = world.call(&mandate, &PresentedAs::Bearer).await;
    let World { test, zone, prover } = world;
    let world = World {
        test: test.crash().await,
        zone,
        prover,
    };
    let again = world.call(&mandate, &PresentedAs::Bearer).await;
    assert_eq!(code(again), Some(RefusalCode::MandateReplayed));
    assert_eq!(world.count(EventType::CallStarted).await, 0);
}

#[tokio::test]
async fn a_resource_that_asks_for_it_from_now_on_is_heard_by_calls_under_way() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed("zone", once(false)).await;
    let world = World {
        test,
        zone,
        prover: Prover::new(),
    };
    let mandate = world.mint(false).await;
    assert_eq!(code(world.call(&mandate, &PresentedAs::Bearer).await), None);
    assert_eq!(world.test.store().claims(), 0);
    let stalled = Stalled::new();
    world
        .test
        .store()
        .fail_append(caracal_testkit::AppendFault::Stall(stalled.clone()));
    let change = async {
        stalled.reached().await;
        let admin = world.test.admin();
        let spec = once(true);
        let applied = world.test.engine.apply(world.zone.id, &admin, spec).await;
        applied.unwrap();
        stalled.release();
    };
    let (called, ()) = tokio::join!(world.call(&mandate, &PresentedAs::Bearer), change);
    assert_eq!(code(called), None);
    assert_eq!(world.test.store().claims(), 1);
    let again = world.call(&mandate, &PresentedAs::Bearer).await;
    assert_eq!(code(again), Some(RefusalCode::MandateReplayed));
}

#[tokio::test(start_paused = true)]
async fn claims_are_forgotten_when_what_they_are_of_is_of_no_use() {
    let clock = FakeClock::new();
    let store = MemoryStore::new();
    let test = TestEngine::over(store.clone(), clock.clone()).await;
    let zone = test.seed("zone", once(true)).await;
    let world = World {
        test,
        zone,
        prover: Prover::new(),
    };
    let (bearer, bound) = (world.mint(false).await, world.mint(true).await);
    let proof = world.proof(&bound);
    assert_eq!(code(world.call(&bearer, &PresentedAs::Bearer).await), None);
    assert_eq!(code(world.call(&bound, &world.dpop(&proof)).await), None);
    assert_eq!(store.claims(), 2);
    // The sweeper comes each minute.
    let sweep = Duration::from_secs(61);
    tokio::time::sleep(sweep).await;
    assert_eq!(store.claims(), 2, "both are good, or nearly so");
    clock.advance_seconds(90);
    tokio::time::sleep(sweep).await;
    assert_eq!(store.claims(), 1, "the proof has ended long ago");
    clock.advance_seconds(300);
    tokio::time::sleep(sweep).await;
    assert_eq!(store.claims(), 0);
}

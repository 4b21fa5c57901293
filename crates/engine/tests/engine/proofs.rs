//! Mandates that only the holder of a key can use.

use caracal_core::RefusalCode;
use caracal_engine::{
    AuthenticatedClient, CallerCredentials, IssueError, IssueRequest, OpenedMandate, PresentedAs,
    PresentedProof, Refusal, Selector,
};
use caracal_testkit::{Prover, SeededZone, TestEngine};
use serde_json::{Value, json};

const ALL: &str = "permit (principal, action, resource);";
const ITEMS: &[&str] = &["resource://items"];
const TOKEN: &str = "http://localhost:8080/oauth/2/token";
const PATH: &str = "/r/items/v1/a";
const URL: &str = "http://localhost:8081/r/items/v1/a";

/// A zone, a client's key, and a mandate that is bound to it.
struct World {
    test: TestEngine,
    zone: SeededZone,
    prover: Prover,
    mandate: String,
}

impl World {
    async fn start() -> Self {
        let test = TestEngine::in_memory().await;
        let zone = test.seed_policy(ALL).await;
        let prover = Prover::new();
        let mandate = mint(&test, &zone, Some(prover.thumbprint())).await;
        Self {
            test,
            zone,
            prover,
            mandate,
        }
    }

    fn nonce(&self) -> String {
        self.test.engine.dpop_nonce(self.zone.id).unwrap()
    }

    fn client(&self) -> AuthenticatedClient {
        AuthenticatedClient {
            zone: self.zone.id,
            application: self.zone.id_of("anton"),
        }
    }

    /// The claims of a good proof for a call.
    fn call_claims(&self) -> Value {
        let now = self.test.engine.now();
        self.prover
            .claims_with(&self.mandate, "GET", URL, now, &self.nonce())
    }

    fn token_claims(&self) -> Value {
        let now = self.test.engine.now();
        self.prover.claims("POST", TOKEN, now, &self.nonce())
    }

    async fn prove_client(&self, claims: &Value) -> Result<String, IssueError> {
        let shown = self.prover.shown(claims, "POST", "/oauth/2/token");
        let credentials = self.zone.credentials("anton");
        self.test
            .engine
            .prove_caller(self.client(), &credentials, &shown)
            .await
    }

    async fn prove(&self, claims: &Value) -> Result<OpenedMandate, Refusal> {
        self.present(&self.mandate, self.prover.shown(claims, "GET", PATH))
            .await
    }

    async fn present(
        &self,
        mandate: &str,
        proof: PresentedProof,
    ) -> Result<OpenedMandate, Refusal> {
        let opened = self.test.engine.open_mandate(mandate).await.unwrap();
        let presented = PresentedAs::Dpop(proof);
        self.test
            .engine
            .prove_mandate(opened, &presented, "req_call")
            .await
    }
}

async fn mint(test: &TestEngine, zone: &SeededZone, key: Option<&str>) -> String {
    let request = IssueRequest {
        key: key.map(str::to_owned),
        ..zone.asks("anton", ITEMS, None)
    };
    test.engine.issue(request).await.unwrap().text
}

fn code(result: Result<OpenedMandate, Refusal>) -> Option<RefusalCode> {
    result.err().map(|refusal| refusal.code)
}

fn with(mut claims: Value, member: &str, new: Value) -> Value {
    claims[member] = new;
    claims
}

#[tokio::test]
async fn a_bound_mandate_says_so_and_works_with_its_proof() {
    let world = World::start().await;
    let opened = world.prove(&world.call_claims()).await.unwrap();
    let bound = opened.claims().cnf.clone().unwrap();
    assert_eq!(bound.jkt, world.prover.thumbprint());
    let selector = Selector {
        name: Some("items".to_owned()),
        ..Selector::default()
    };
    let engine = &world.test.engine;
    assert!(
        engine
            .select_resource(opened, &selector, "req_1")
            .await
            .is_ok()
    );

    // A door that forgets to ask for the proof gets nowhere.
    let unproven = engine.open_mandate(&world.mandate).await.unwrap();
    let refused = engine.select_resource(unproven, &selector, "req_2").await;
    assert_eq!(refused.err().unwrap().code, RefusalCode::ProofInvalid);
}

#[tokio::test]
async fn the_scheme_has_to_be_the_mandates_own() {
    let world = World::start().await;
    let engine = &world.test.engine;
    let opened = engine.open_mandate(&world.mandate).await.unwrap();
    let stolen = engine
        .prove_mandate(opened, &PresentedAs::Bearer, "req_1")
        .await;
    assert_eq!(code(stolen), Some(RefusalCode::ProofInvalid));

    let bearer = mint(&world.test, &world.zone, None).await;
    let now = engine.now();
    let claims = world
        .prover
        .claims_with(&bearer, "GET", URL, now, &world.nonce());
    let shown = world.prover.shown(&claims, "GET", PATH);
    let dressed = world.present(&bearer, shown).await;
    assert_eq!(code(dressed), Some(RefusalCode::MandateInvalid));
    let opened = engine.open_mandate(&bearer).await.unwrap();
    let plain = engine
        .prove_mandate(opened, &PresentedAs::Bearer, "req_2")
        .await;
    assert_eq!(code(plain), None);
}

#[tokio::test]
async fn each_flaw_of_a_proof_at_the_gateway_has_its_code() {
    let world = World::start().await;
    let good = || world.call_claims();
    let now = world.test.engine.now().as_second();
    use RefusalCode::{ProofInvalid, UseDpopNonce};
    let table = [
        (with(good(), "htm", "POST".into()), ProofInvalid),
        (with(good(), "htm", "get".into()), ProofInvalid),
        (with(good(), "htu", TOKEN.into()), ProofInvalid),
        (
            with(good(), "htu", "http://localhost:8081/r/items/v1/b".into()),
            ProofInvalid,
        ),
        (
            with(good(), "htu", "http://evil.example/r/items/v1/a".into()),
            ProofInvalid,
        ),
        (with(good(), "ath", Value::Null), ProofInvalid),
        (
            with(
                good(),
                "ath",
                "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo".into(),
            ),
            ProofInvalid,
        ),
        (with(good(), "iat", (now + 300).into()), ProofInvalid),
        (with(good(), "iat", (now - 300).into()), ProofInvalid),
        (with(good(), "exp", (now - 300).into()), ProofInvalid),
        (with(good(), "jti", "".into()), ProofInvalid),
        (with(good(), "jti", "j".repeat(300).into()), ProofInvalid),
        (with(good(), "x", "x".repeat(4000).into()), ProofInvalid),
        (with(good(), "nonce", Value::Null), UseDpopNonce),
        (with(good(), "nonce", "0".repeat(32).into()), UseDpopNonce),
    ];
    for (claims, expected) in table {
        assert_eq!(code(world.prove(&claims).await), Some(expected), "{claims}");
    }
    let shown = |headers: &[String]| PresentedProof {
        headers: headers.to_vec(),
        method: "GET".to_owned(),
        path: PATH.to_owned(),
    };
    let proof = || world.prover.sign(&world.call_claims());
    for headers in [
        vec![],
        vec![proof(), proof()],
        vec![String::new()],
        vec!["\u{fffd}".to_owned()],
    ] {
        let refused = world.present(&world.mandate, shown(&headers)).await;
        assert_eq!(code(refused), Some(ProofInvalid), "{headers:?}");
    }
    // What differs in spelling only is good.
    for htu in [
        "HTTP://LOCALHOST:8081/r/items/v1/a?q=1#f",
        "http://localhost:8081/r/%69tems/v1/a",
    ] {
        assert_eq!(
            code(world.prove(&with(good(), "htu", htu.into())).await),
            None,
            "{htu}"
        );
    }
    // Each wrong proof is evidence; being asked for a nonce is not.
    let events = world.zone.events(&world.test.engine).await;
    let denied = events
        .iter()
        .filter(|e| e.event_type.as_str() == "call.denied");
    let reasons: Vec<_> = denied.filter_map(|e| e.reason.as_deref()).collect();
    assert_eq!(reasons, ["proof_invalid"; 17]);
}

#[tokio::test]
async fn a_thief_with_a_key_of_its_own_gets_nowhere() {
    let world = World::start().await;
    let thief = Prover::new();
    let shown = thief.shown(&world.call_claims(), "GET", PATH);
    let refused = world.present(&world.mandate, shown).await;
    assert_eq!(code(refused), Some(RefusalCode::ProofInvalid));
    // Nor does another mandate of the same key pass with this proof.
    let other = mint(&world.test, &world.zone, Some(world.prover.thumbprint())).await;
    let shown = world.prover.shown(&world.call_claims(), "GET", PATH);
    let refused = world.present(&other, shown).await;
    assert_eq!(code(refused), Some(RefusalCode::ProofInvalid));
}

#[tokio::test]
async fn a_proof_is_good_once_and_while_its_nonce_is() {
    let world = World::start().await;
    let claims = world.call_claims();
    assert_eq!(code(world.prove(&claims).await), None);
    assert_eq!(
        code(world.prove(&claims).await),
        Some(RefusalCode::MandateReplayed)
    );
    // Another client may use the same id.
    let other = Prover::new();
    let mandate = mint(&world.test, &world.zone, Some(other.thumbprint())).await;
    let theirs = other.claims_with(
        &mandate,
        "GET",
        URL,
        world.test.engine.now(),
        &world.nonce(),
    );
    let theirs = with(theirs, "jti", claims["jti"].clone());
    let shown = other.shown(&theirs, "GET", PATH);
    assert_eq!(code(world.present(&mandate, shown).await), None);

    let early = world.call_claims();
    world.test.clock.advance_seconds(10);
    // Nobody forgets the proof before its nonce is over.
    assert_eq!(
        code(world.prove(&claims).await),
        Some(RefusalCode::MandateReplayed)
    );
    assert_eq!(code(world.prove(&early).await), None);
    let late = with(world.call_claims(), "nonce", early["nonce"].clone());
    world.test.clock.advance_seconds(10);
    for old in [&claims, &late] {
        assert_eq!(
            code(world.prove(old).await),
            Some(RefusalCode::UseDpopNonce)
        );
    }
    assert_eq!(code(world.prove(&world.call_claims()).await), None);
}

#[tokio::test]
async fn a_nonce_is_good_on_every_node_and_after_a_restart() {
    let world = World::start().await;
    let claims = world.call_claims();
    let World {
        test,
        zone,
        prover,
        mandate,
    } = world;
    let test = test.restart().await;
    let world = World {
        test,
        zone,
        prover,
        mandate,
    };
    assert_eq!(code(world.prove(&claims).await), None);
    // But not in another zone.
    let other = world.test.seed_policy(ALL).await;
    let foreign = world.test.engine.dpop_nonce(other.id).unwrap();
    let claims = with(world.call_claims(), "nonce", foreign.into());
    assert_eq!(
        code(world.prove(&claims).await),
        Some(RefusalCode::UseDpopNonce)
    );
}

#[tokio::test]
async fn each_flaw_of_a_proof_at_the_sts_has_its_code() {
    let world = World::start().await;
    let good = || world.token_claims();
    let proven = world.prove_client(&good()).await;
    assert_eq!(proven.as_deref(), Ok(world.prover.thumbprint()));
    // The token endpoint has no mandate to hash; what a client sends along does not matter.
    let hashed = with(good(), "ath", "x".into());
    assert!(world.prove_client(&hashed).await.is_ok());
    let now = world.test.engine.now().as_second();
    let table = [
        (with(good(), "htm", "GET".into()), "invalid_dpop_proof"),
        (
            with(good(), "htu", "http://localhost:8080/oauth/token".into()),
            "invalid_dpop_proof",
        ),
        (
            with(good(), "htu", "http://localhost:8081/oauth/2/token".into()),
            "invalid_dpop_proof",
        ),
        (
            with(good(), "iat", (now - 300).into()),
            "invalid_dpop_proof",
        ),
        (
            with(good(), "iat", (now + 300).into()),
            "invalid_dpop_proof",
        ),
        (with(good(), "nonce", Value::Null), "use_dpop_nonce"),
        (with(good(), "nonce", json!("stale")), "use_dpop_nonce"),
    ];
    for (claims, expected) in table {
        let error = world.prove_client(&claims).await.unwrap_err();
        assert_eq!((error.code(), error.status()), (expected, 400), "{claims}");
    }
    let claims = good();
    assert!(world.prove_client(&claims).await.is_ok());
    let again = world.prove_client(&claims).await.unwrap_err();
    assert_eq!(again.code(), "invalid_dpop_proof");
    // A caller that shows a bound session mandate needs the mandate's key and hash.
    let session = CallerCredentials::Session(world.mandate.clone());
    let prove = async |claims: &Value, prover: &Prover| {
        let shown = prover.shown(claims, "POST", "/oauth/2/token");
        let engine = &world.test.engine;
        engine.prove_caller(world.client(), &session, &shown).await
    };
    let hashed = || with(good(), "ath", world.call_claims()["ath"].clone());
    assert!(prove(&good(), &world.prover).await.is_err());
    assert!(prove(&hashed(), &Prover::new()).await.is_err());
    assert!(prove(&hashed(), &world.prover).await.is_ok());
}

#[tokio::test]
async fn a_resource_can_take_bound_mandates_only() {
    let world = World::start().await;
    let engine = &world.test.engine;
    let bearer = mint(&world.test, &world.zone, None).await;
    let selector = Selector::default();
    let select = async |opened| engine.select_resource(opened, &selector, "req_1").await;
    let before = select(engine.open_mandate(&bearer).await.unwrap()).await;
    assert!(before.is_ok());

    let mut spec = SeededZone::spec(ALL);
    for resource in &mut spec.resources {
        resource.requires_dpop = resource.name.as_str() == "items";
    }
    let applied = engine.apply(world.zone.id, &world.test.admin(), spec).await;
    assert!(applied.is_ok());

    // Also one that was issued before.
    let refused = select(engine.open_mandate(&bearer).await.unwrap()).await;
    let refusal = refused.err().unwrap();
    assert_eq!(refusal.code, RefusalCode::ProofInvalid);
    assert!(refusal.detail.contains("`resource://items`"));
    assert!(refusal.hint.is_some());
    let request = world.zone.asks("anton", ITEMS, None);
    let unbound = engine.issue(request).await.err().unwrap();
    assert!(matches!(unbound, IssueError::InvalidProof(_)), "{unbound}");

    // Other resources take bearer mandates still.
    let notes = world.zone.asks("anton", &["resource://notes"], None);
    assert!(engine.issue(notes).await.is_ok());
    mint(&world.test, &world.zone, Some(world.prover.thumbprint())).await;
    let proven = world.prove(&world.call_claims()).await.unwrap();
    assert!(select(proven).await.is_ok());
}

//! Opening mandates: time, keys and history.

use caracal_core::{KeyId, MandateClaims, RefusalCode};
use caracal_crypto::MandateSigner;
use caracal_testkit::{FakeClock, MemoryStore, SeededZone, TestEngine};
use jiff::SignedDuration;

const ALL: &str = "permit (principal, action, resource);";
const ITEMS: &[&str] = &["resource://items"];

async fn claims(test: &TestEngine, text: &str) -> MandateClaims {
    test.engine
        .open_mandate(text)
        .await
        .unwrap()
        .claims()
        .clone()
}

async fn refused(test: &TestEngine, text: &str) -> Option<RefusalCode> {
    test.engine.open_mandate(text).await.err()
}

/// Signs with the zone's own key, as another node of the zone would.
async fn sign(test: &TestEngine, zone: &SeededZone, claims: &MandateClaims) -> String {
    use caracal_store::StateStore;
    let held = test.store().load(zone.id).await.unwrap();
    let document = held
        .documents
        .iter()
        .find(|d| d.kind == caracal_core::Kind::Zone)
        .unwrap();
    let stored: caracal_core::Zone = serde_json::from_str(&document.body).unwrap();
    let master = caracal_crypto::MasterKey::from_bytes(&TestEngine::MASTER_KEY).unwrap();
    let context = caracal_crypto::SealContext::new(zone.id, "mandate-key");
    let key = &stored.mandate_keys[0];
    let private = caracal_crypto::Keyring::new(master)
        .open(&key.private, &context)
        .unwrap();
    MandateSigner::from_pkcs8(key.id, &private)
        .unwrap()
        .sign(claims)
        .unwrap()
}

#[tokio::test]
async fn a_mandate_ends_exactly_when_it_says() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    for seen_before in [false, true] {
        let text = zone.mint(&test.engine, ITEMS, None).await.unwrap().text;
        if seen_before {
            assert_eq!(refused(&test, &text).await, None);
        }
        test.clock.advance(SignedDuration::from_millis(299_999));
        assert_eq!(refused(&test, &text).await, None);
        test.clock.advance(SignedDuration::from_millis(1));
        assert_eq!(
            refused(&test, &text).await,
            Some(RefusalCode::MandateExpired)
        );
    }
}

#[tokio::test]
async fn a_mandate_of_the_future_is_none() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let text = zone.mint(&test.engine, ITEMS, None).await.unwrap().text;
    let mut changed = claims(&test, &text).await;
    changed.iat += 60;
    changed.exp += 60;
    let early = sign(&test, &zone, &changed).await;
    assert_eq!(
        refused(&test, &early).await,
        Some(RefusalCode::MandateInvalid)
    );
    test.clock.advance_seconds(60);
    assert_eq!(refused(&test, &early).await, None);
}

#[tokio::test]
async fn a_mandate_lives_at_most_as_long_as_one_may() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let text = zone.mint(&test.engine, ITEMS, None).await.unwrap().text;
    let mut changed = claims(&test, &text).await;
    changed.exp = changed.iat + 3600;
    let long = sign(&test, &zone, &changed).await;
    assert_eq!(
        refused(&test, &long).await,
        Some(RefusalCode::MandateInvalid)
    );
}

#[tokio::test]
async fn only_the_zones_own_key_signs_for_it() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let other = test.seed_policy(ALL).await;
    let text = zone.mint(&test.engine, ITEMS, None).await.unwrap().text;
    let good = claims(&test, &text).await;
    // The other zone's key, and a new key under the name of the zone's own.
    let foreign = sign(&test, &other, &good).await;
    assert_eq!(
        refused(&test, &foreign).await,
        Some(RefusalCode::MandateInvalid)
    );
    let made = MandateSigner::generate().unwrap();
    let kid: KeyId = test.engine.jwks(zone.id).unwrap()["keys"][0]["kid"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let forged = MandateSigner::from_pkcs8(kid, &made.private)
        .unwrap()
        .sign(&good)
        .unwrap();
    assert_eq!(
        refused(&test, &forged).await,
        Some(RefusalCode::MandateInvalid)
    );
    // The zone's own key for another zone, or another issuer.
    for change in [
        MandateClaims {
            zone: other.id,
            ..good.clone()
        },
        MandateClaims {
            iss: "https://elsewhere.example.com".to_owned(),
            ..good.clone()
        },
    ] {
        let crossed = sign(&test, &zone, &change).await;
        assert_eq!(
            refused(&test, &crossed).await,
            Some(RefusalCode::MandateInvalid)
        );
    }
    for junk in ["", "a.b.c", "x", &text[..text.len() - 2]] {
        assert_eq!(
            refused(&test, junk).await,
            Some(RefusalCode::MandateInvalid)
        );
    }
}

#[tokio::test]
async fn a_mandate_of_another_history_is_dead() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let text = zone.mint(&test.engine, ITEMS, None).await.unwrap().text;
    let mut changed = claims(&test, &text).await;
    let rest = changed.rev.split_once('.').unwrap().1.to_owned();
    changed.rev = format!("{}.{rest}", "0".repeat(16));
    let restored = sign(&test, &zone, &changed).await;
    assert_eq!(
        refused(&test, &restored).await,
        Some(RefusalCode::MandateRevoked)
    );
    for rev in ["", ".", "x", "x.1.y"] {
        changed.rev = rev.to_owned();
        let odd = sign(&test, &zone, &changed).await;
        let code = refused(&test, &odd).await.unwrap();
        assert_ne!(code.status(), 200, "{rev:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_behind_waits_a_second() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let text = zone.mint(&test.engine, ITEMS, None).await.unwrap().text;
    let mut changed = claims(&test, &text).await;
    let parts: Vec<_> = changed.rev.split('.').map(str::to_owned).collect();
    let next: u64 = parts[1].parse::<u64>().unwrap() + 1;
    changed.rev = format!("{}.{next}.{}", parts[0], parts[2]);
    let newer = sign(&test, &zone, &changed).await;
    let began = tokio::time::Instant::now();
    assert_eq!(refused(&test, &newer).await, Some(RefusalCode::FeedStale));
    assert_eq!(began.elapsed().as_millis() / 100, 10);
    // It is let in as soon as the node has caught up.
    let admin = test.admin();
    let catching_up = async {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let spec = SeededZone::application("new");
        test.engine
            .create_application(zone.id, &admin, spec)
            .await
            .unwrap();
    };
    let (found, ()) = tokio::join!(refused(&test, &newer), catching_up);
    assert_eq!(found, None);
}

#[tokio::test]
async fn mandates_outlive_a_restart() {
    let test = TestEngine::over(MemoryStore::new(), FakeClock::new()).await;
    let zone = test.seed_policy(ALL).await;
    let text = zone.mint(&test.engine, ITEMS, None).await.unwrap().text;
    let test = test.restart().await;
    let found = zone
        .call(&test.engine, &text, "items", "GET", "/v1/x")
        .await;
    assert!(found.is_ok());
    let seen = test
        .engine
        .introspect(&zone.credentials("berta"), None, &text)
        .await
        .unwrap();
    assert_eq!(seen.unwrap().client_id.to_string(), zone.ids["anton"]);
}

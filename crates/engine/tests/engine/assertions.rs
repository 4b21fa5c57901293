//! Applications that prove themselves with their own key.

use caracal_core::{ClientAuth, Name};
use caracal_crypto::DpopSigner;
use caracal_engine::{
    AdminError, ApplicationSpec, CallerCredentials, ClientAssertion, EndOfOldSecret, IssueError,
    IssueRequest,
};
use caracal_testkit::{SeededZone, TestEngine};
use serde_json::{Value, json};

const ALL: &str = "permit (principal, action, resource);";
const TOKEN: &str = "http://localhost:8080/oauth/2/token";

/// A zone with an application that has a key and no secret.
struct World {
    test: TestEngine,
    zone: SeededZone,
    signer: DpopSigner,
    client_id: String,
}

fn keyed(signer: &DpopSigner) -> ClientAuth {
    let mut jwk = signer.jwk().clone();
    jwk["kid"] = "first".into();
    let jwks = json!({ "keys": [jwk] });
    ClientAuth::PrivateKeyJwt { jwks }
}

fn spec(auth: ClientAuth) -> ApplicationSpec {
    ApplicationSpec {
        auth,
        ..SeededZone::application("keyed")
    }
}

impl World {
    async fn start() -> Self {
        let test = TestEngine::in_memory().await;
        let zone = test.seed_policy(ALL).await;
        let signer = DpopSigner::generate().unwrap();
        let admin = test.admin();
        let created = test
            .engine
            .create_application(zone.id, &admin, spec(keyed(&signer)))
            .await
            .unwrap();
        // No secret was made, so none can leak.
        assert_eq!(created.client_secret, None);
        assert!(created.application.value.secrets.is_empty());
        let client_id = created.application.value.id.to_string();
        Self {
            test,
            zone,
            signer,
            client_id,
        }
    }

    fn claims(&self) -> Value {
        let now = self.test.engine.now().as_second();
        let jti = caracal_crypto::hex(&caracal_crypto::random_bytes::<16>());
        json!({
            "iss": self.client_id, "sub": self.client_id, "aud": TOKEN,
            "iat": now, "exp": now + 300, "jti": jti,
        })
    }

    fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "kid": "first" });
        self.signer.sign_token(&header, claims).unwrap()
    }

    async fn present(&self, client_id: Option<&str>, text: String) -> Result<(), IssueError> {
        let presented = CallerCredentials::Assertion(ClientAssertion {
            client_id: client_id.map(str::to_owned),
            text,
        });
        let (client, caller) = self.test.engine.admit_caller(presented).await?;
        assert_eq!(client.zone, self.zone.id);
        let request = IssueRequest {
            caller,
            ..self.zone.asks("anton", &["resource://items"], None)
        };
        let issued = self.test.engine.issue(request).await?;
        let claims = self.test.engine.open_mandate(&issued.text).await.unwrap();
        assert_eq!(claims.claims().client_id.to_string(), self.client_id);
        Ok(())
    }

    /// What an assertion with these claims comes to: `accepted`, or why not.
    async fn outcome(&self, claims: &Value) -> &'static str {
        word(self.present(None, self.sign(claims)).await)
    }
}

fn word(result: Result<(), IssueError>) -> &'static str {
    match result {
        Ok(()) => "accepted",
        Err(IssueError::InvalidAssertion(error)) => error.as_str(),
        Err(error) => error.code(),
    }
}

fn with(mut claims: Value, member: &str, value: impl Into<Value>) -> Value {
    claims[member] = value.into();
    claims
}

fn without(mut claims: Value, member: &str) -> Value {
    claims.as_object_mut().unwrap().remove(member);
    claims
}

#[tokio::test]
async fn an_assertion_of_the_key_is_good_once() {
    let world = World::start().await;
    let issuer = world.test.engine.zone_metadata(world.zone.id).unwrap();
    for aud in [
        json!(TOKEN),
        json!("http://localhost:8080/oauth/token"),
        json!(issuer.issuer),
        json!([TOKEN, issuer.issuer]),
    ] {
        let claims = with(world.claims(), "aud", aud);
        assert_eq!(world.outcome(&claims).await, "accepted", "{claims}");
        assert_eq!(world.outcome(&claims).await, "replayed", "{claims}");
    }
    let named = world.sign(&world.claims());
    let id = world.client_id.clone();
    assert_eq!(word(world.present(Some(&id), named).await), "accepted");
    // Still so in the last second in which it would be good.
    let claims = world.claims();
    assert_eq!(world.outcome(&claims).await, "accepted");
    world.test.clock.advance_seconds(359);
    assert_eq!(world.outcome(&claims).await, "replayed");
    world.test.clock.advance_seconds(1);
    assert_eq!(world.outcome(&claims).await, "expired");
}

#[tokio::test]
async fn each_flaw_of_an_assertion_has_a_word_of_its_own() {
    let world = World::start().await;
    world.test.clock.advance_seconds(1000);
    let now = world.test.engine.now().as_second();
    let good = || world.claims();
    let anton = world.zone.ids["anton"].clone();
    for (claims, expected) in [
        (
            with(good(), "aud", "https://other.example.com"),
            "wrong_audience",
        ),
        (with(good(), "aud", json!([])), "wrong_audience"),
        (
            with(good(), "aud", json!([TOKEN, "https://other.example.com"])),
            "wrong_audience",
        ),
        (with(good(), "aud", format!("{TOKEN}/")), "wrong_audience"),
        (
            with(good(), "aud", "http://localhost:8080"),
            "wrong_audience",
        ),
        (with(good(), "iss", anton.as_str()), "wrong_client"),
        (
            with(good(), "iss", "https://issuer.example.com"),
            "wrong_client",
        ),
        // Another application's name with this key.
        (with(good(), "sub", anton.as_str()), "bad_signature"),
        // No application's own: a token of an outside issuer, that names no zone.
        (with(good(), "sub", "nobody"), "unaddressed"),
        (without(good(), "jti"), "unnamed"),
        (without(good(), "iat"), "unnamed"),
        (without(good(), "exp"), "malformed"),
        (with(good(), "exp", now - 60), "expired"),
        (with(good(), "exp", now - 59), "accepted"),
        // A clock that is 5 min off, to either side.
        (
            with(with(good(), "iat", now + 300), "exp", now + 600),
            "not_yet_valid",
        ),
        (
            with(with(good(), "iat", now - 300), "exp", now - 60),
            "expired",
        ),
        (with(good(), "iat", now + 61), "not_yet_valid"),
        (with(good(), "nbf", now + 61), "not_yet_valid"),
        (with(good(), "iat", now + 60), "accepted"),
        (with(good(), "nbf", now + 60), "accepted"),
        (with(good(), "exp", now + 3600), "accepted"),
    ] {
        assert_eq!(world.outcome(&claims).await, expected, "{claims}");
    }
    let claims = world.claims();
    let text = world.sign(&claims);
    for (header, expected) in [
        (json!({ "alg": "none" }), "wrong_algorithm"),
        (json!({ "alg": "HS256", "kid": "first" }), "wrong_algorithm"),
        (json!({ "alg": "ES256", "kid": "second" }), "bad_signature"),
        (json!({ "alg": "RS256", "kid": "first" }), "bad_signature"),
        (json!({ "alg": "ES256", "typ": "at+jwt" }), "malformed"),
    ] {
        let text = world.signer.sign_token(&header, &claims).unwrap();
        assert_eq!(word(world.present(None, text).await), expected, "{header}");
    }
    let long = format!("{text}{}", "A".repeat(9000));
    assert_eq!(word(world.present(None, long).await), "malformed");
    // The key of somebody else.
    let other = DpopSigner::generate().unwrap();
    let header = json!({ "alg": "ES256", "kid": "first" });
    let forged = other.sign_token(&header, &claims).unwrap();
    assert_eq!(word(world.present(None, forged).await), "bad_signature");
    // A client with a secret has no key, and the assertion of one is not good for another.
    let stolen = world.present(Some(&anton), text.clone()).await;
    assert_eq!(word(stolen), "bad_signature");
    assert_eq!(word(world.present(None, text).await), "accepted");
}

#[tokio::test]
async fn an_hour_is_shortened_to_ten_minutes() {
    let world = World::start().await;
    let now = world.test.engine.now().as_second();
    let hour = || with(world.claims(), "exp", now + 3600);
    let (early, late) = (with(hour(), "iat", now), with(hour(), "iat", now));
    world.test.clock.advance_seconds(659);
    assert_eq!(world.outcome(&early).await, "accepted");
    world.test.clock.advance_seconds(1);
    assert_eq!(world.outcome(&late).await, "expired");
}

#[tokio::test]
async fn what_was_made_before_the_start_cannot_come_again_after_it() {
    let mut world = World::start().await;
    let claims = world.claims();
    assert_eq!(world.outcome(&claims).await, "accepted");
    world.test.clock.advance_seconds(1);
    world.test = world.test.restart().await;
    assert_eq!(world.outcome(&claims).await, "before_start");
    assert_eq!(world.outcome(&world.claims()).await, "accepted");
}

#[tokio::test]
async fn turning_to_a_key_ends_the_secrets_and_back_again_the_key() {
    let world = World::start().await;
    let (engine, zone, admin) = (&world.test.engine, world.zone.id, world.test.admin());
    let rotated = engine
        .rotate_secret(zone, &admin, "keyed", EndOfOldSecret::Now)
        .await;
    let Err(AdminError::Invalid(fields)) = rotated else {
        panic!("{rotated:?}")
    };
    assert_eq!(fields[0].field, "auth");

    let secret = world.zone.asks("anton", &["resource://items"], None);
    assert!(engine.issue(secret).await.is_ok());
    let anton: Name = "anton".parse().unwrap();
    let turned = ApplicationSpec {
        name: anton.clone(),
        ..spec(keyed(&world.signer))
    };
    let updated = engine
        .update_application(zone, &admin, "anton", turned)
        .await
        .unwrap();
    assert!(updated.value.secrets.is_empty());
    let secret = world.zone.asks("anton", &["resource://items"], None);
    let refused = engine.issue(secret).await.map(drop);
    assert_eq!(refused, Err(IssueError::InvalidClient));

    // Back: the key is good for nothing, and a secret is made by a rotation.
    engine
        .update_application(zone, &admin, "keyed", spec(ClientAuth::Secret))
        .await
        .unwrap();
    assert_eq!(world.outcome(&world.claims()).await, "bad_signature");
    let rotated = engine
        .rotate_secret(zone, &admin, "keyed", EndOfOldSecret::Now)
        .await;
    assert!(rotated.unwrap().text.is_some());
}

#[tokio::test]
async fn a_request_that_was_let_in_ends_with_the_key() {
    let world = World::start().await;
    let (engine, zone) = (&world.test.engine, world.zone.id);
    let text = world.sign(&world.claims());
    let presented = CallerCredentials::Assertion(ClientAssertion {
        client_id: None,
        text,
    });
    let (_, caller) = engine.admit_caller(presented).await.unwrap();
    engine
        .delete_application(zone, &world.test.admin(), "keyed")
        .await
        .unwrap();
    let request = IssueRequest {
        caller,
        ..world.zone.asks("anton", &["resource://items"], None)
    };
    let refused = engine.issue(request).await.map(drop);
    assert_eq!(refused, Err(IssueError::InvalidClient));
}

#[tokio::test]
async fn a_wrong_key_set_is_refused_by_its_field() {
    let world = World::start().await;
    let jwks = json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] });
    let wrong = ApplicationSpec {
        name: "wrong".parse().unwrap(),
        ..spec(ClientAuth::PrivateKeyJwt { jwks })
    };
    let refused = world
        .test
        .engine
        .create_application(world.zone.id, &world.test.admin(), wrong)
        .await;
    let Err(AdminError::Invalid(fields)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        fields[0].field,
        "applications[wrong].auth.private_key_jwt.jwks"
    );
}

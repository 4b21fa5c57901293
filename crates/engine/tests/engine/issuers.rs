//! Applications that prove themselves with tokens of outside issuers, and where keys come from.

use std::time::Duration;

use caracal_core::{ClientAuth, Name, PublishedKeys, WorkloadRule};
use caracal_crypto::DpopSigner;
use caracal_egress::{Egress, EgressRules};
use caracal_engine::{
    AdminError, ApplicationSpec, CallerCredentials, ClientAssertion, IssueError, IssueRequest,
    IssuerSpec,
};
use caracal_testkit::{OutsideIssuer, SeededZone, TestEngine};
use serde_json::{Value, json};

use super::key_endpoint::{Answers, KeyEndpoint};

const ALL: &str = "permit (principal, action, resource);";
const TOKEN: &str = "http://localhost:8080/oauth/2/token";
const CI: &str = "https://ci.example";

fn rule(subject: Option<&str>, claims: &[(&str, &str)]) -> ClientAuth {
    let claims = claims.iter();
    ClientAuth::Workload(WorkloadRule {
        issuer: "ci".parse().unwrap(),
        subject: subject.map(|text| text.parse().unwrap()),
        claims: claims
            .map(|(name, text)| ((*name).to_owned(), text.parse().unwrap()))
            .collect(),
    })
}

fn application(name: &str, auth: ClientAuth) -> ApplicationSpec {
    ApplicationSpec {
        auth,
        ..SeededZone::application(name)
    }
}

struct World {
    test: TestEngine,
    zone: SeededZone,
    issuer: OutsideIssuer,
}

impl World {
    /// A zone with an issuer `ci` and the application `bot`, which is the repository `acme/x`.
    async fn start(change: impl FnOnce(IssuerSpec) -> IssuerSpec) -> Self {
        Self::of(OutsideIssuer::new(CI), change).await
    }

    async fn of(issuer: OutsideIssuer, change: impl FnOnce(IssuerSpec) -> IssuerSpec) -> Self {
        let test = TestEngine::in_memory().await;
        let mut spec = SeededZone::spec(ALL);
        spec.issuers.push(change(issuer.workloads("ci")));
        let auth = rule(Some("repo:acme/x:*"), &[("repository", "acme/x")]);
        spec.applications.push(application("bot", auth));
        let zone = test.seed("acme", spec).await;
        let rules = EgressRules {
            allow_private: true,
            forbidden: Vec::new(),
        };
        test.engine.set_way_out(Egress::new(rules).unwrap());
        Self { test, zone, issuer }
    }

    fn claims(&self) -> Value {
        let now = self.test.engine.now().as_second();
        json!({
            "iss": self.issuer.url, "sub": "repo:acme/x:ref:refs/heads/main", "aud": TOKEN,
            "repository": "acme/x", "iat": now, "nbf": now, "exp": now + 300,
        })
    }

    async fn present(&self, client_id: Option<String>, text: String) -> Result<String, IssueError> {
        let presented = CallerCredentials::Assertion(ClientAssertion { client_id, text });
        let (_, caller) = self.test.engine.admit_caller(presented).await?;
        let request = IssueRequest {
            caller,
            ..self.zone.asks("anton", &["resource://items"], None)
        };
        let issued = self.test.engine.issue(request).await?;
        let opened = self.test.engine.open_mandate(&issued.text).await.unwrap();
        Ok(opened.claims().client_id.to_string())
    }

    /// What a token with these claims comes to for `bot`.
    async fn outcome(&self, claims: &Value) -> &'static str {
        self.shown(self.issuer.sign(claims)).await
    }

    async fn shown(&self, text: String) -> &'static str {
        let bot: String = self
            .zone
            .id_of::<caracal_core::ApplicationId>("bot")
            .to_string();
        let result = self.present(Some(bot.clone()), text).await;
        if let Ok(id) = &result {
            assert_eq!(*id, bot);
        }
        word(result)
    }

    async fn put(&self, spec: ApplicationSpec) -> String {
        let engine = &self.test.engine;
        let created = engine
            .create_application(self.zone.id, &self.test.admin(), spec)
            .await
            .unwrap();
        assert_eq!(created.client_secret, None, "it has no secret");
        created.application.value.id.to_string()
    }
}

fn word<T>(result: Result<T, IssueError>) -> &'static str {
    match result {
        Ok(_) => "accepted",
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
async fn a_workload_is_the_application_whose_conditions_hold() {
    let world = World::start(|spec| spec).await;
    let claims = world.claims();
    assert_eq!(world.outcome(&claims).await, "accepted");
    // Such tokens are used until they end: the platform gives no new one for each request.
    assert_eq!(world.outcome(&claims).await, "accepted");
    for (member, value) in [
        ("repository", json!("acme/y")),
        ("repository", json!(["acme/x"])),
        ("repository", json!(null)),
        ("sub", json!("repo:acme/xy:ref:refs/heads/main")),
        ("sub", json!("REPO:acme/x:ref:refs/heads/main")),
    ] {
        let claims = with(world.claims(), member, value);
        assert_eq!(world.outcome(&claims).await, "no_application", "{claims}");
    }
    let claims = without(world.claims(), "repository");
    assert_eq!(world.outcome(&claims).await, "no_application");

    // Without a `client_id` the zone is named by the token, and the application by its claims.
    let metadata = world.test.engine.zone_metadata(world.zone.id).unwrap();
    let claims = with(world.claims(), "aud", metadata.issuer.as_str());
    let text = world.issuer.sign(&claims);
    let bot = world.zone.id_of::<caracal_core::ApplicationId>("bot");
    let found = world.present(None, text.clone()).await.unwrap();
    assert_eq!(found, bot.to_string());
    let unnamed = world
        .present(None, world.issuer.sign(&world.claims()))
        .await;
    assert_eq!(word(unnamed), "unaddressed");

    // Two that fit are one too many, unless one is named.
    let other = rule(None, &[("repository", "acme/*")]);
    let other = world.put(application("other", other)).await;
    assert_eq!(word(world.present(None, text.clone()).await), "ambiguous");
    for id in [other, bot.to_string()] {
        let found = world.present(Some(id.clone()), text.clone()).await;
        assert_eq!(found.unwrap(), id);
    }
    // An application with a secret, or another key, is nobody's.
    let anton = world.zone.id_of::<caracal_core::ApplicationId>("anton");
    let refused = world.present(Some(anton.to_string()), text).await;
    assert_eq!(word(refused), "bad_signature");
}

#[tokio::test]
async fn a_token_that_is_wrong_is_refused_in_its_own_words() {
    let world = World::start(|spec| IssuerSpec {
        algorithms: vec!["ES256".to_owned(), "RS256".to_owned()],
        ..spec
    })
    .await;
    let now = world.test.engine.now().as_second();
    let two = json!([TOKEN, "https://elsewhere.example"]);
    for (member, value, expected) in [
        ("aud", json!("https://elsewhere.example"), "wrong_audience"),
        // Who else may read it could show it here.
        ("aud", two, "wrong_audience"),
        ("aud", json!([]), "wrong_audience"),
        ("exp", json!(now - 61), "expired"),
        ("exp", json!(now - 59), "accepted"),
        ("iat", json!(now + 59), "accepted"),
        // A clock that is five minutes ahead, and one that is behind.
        ("iat", json!(now + 300), "not_yet_valid"),
        ("nbf", json!(now + 300), "not_yet_valid"),
        ("iat", json!(now - 3661), "too_old"),
        ("iat", json!(now - 3659), "accepted"),
        ("iss", json!("https://other.example"), "unknown_issuer"),
        ("iss", json!("https://ci.example/"), "unknown_issuer"),
        ("exp", json!("soon"), "malformed"),
    ] {
        let claims = with(world.claims(), member, value);
        assert_eq!(world.outcome(&claims).await, expected, "{claims}");
    }
    let behind = with(world.claims(), "exp", now - 300);
    assert_eq!(world.outcome(&behind).await, "expired");
    // Without `iat` nobody knows how old it is, so it must not last longer than it may be old.
    let undated = without(world.claims(), "iat");
    assert_eq!(world.outcome(&undated).await, "accepted");
    let undated = with(undated, "exp", now + 3661);
    assert_eq!(world.outcome(&undated).await, "too_old");

    let other = OutsideIssuer::new(CI);
    assert_eq!(
        world.shown(other.sign(&world.claims())).await,
        "bad_signature"
    );
    assert_eq!(world.shown("e30.e30.".to_owned()).await, "malformed");
    let signer = DpopSigner::generate().unwrap();
    for (algorithm, expected) in [
        ("none", "wrong_algorithm"),
        ("HS256", "wrong_algorithm"),
        // Known, and not what the issuer is registered with.
        ("EdDSA", "wrong_algorithm"),
        ("RS256", "bad_signature"),
    ] {
        let header = json!({ "alg": algorithm, "kid": "first" });
        let text = signer.sign_token(&header, &world.claims()).unwrap();
        assert_eq!(world.shown(text).await, expected, "{algorithm}");
    }
}

#[tokio::test]
async fn an_issuer_of_people_proves_no_workload() {
    let issuer = OutsideIssuer::new(CI);
    let people = OutsideIssuer::new("https://people.example");
    let world = World::of(issuer, |spec| spec).await;
    let spec = IssuerSpec {
        audiences: vec![TOKEN.to_owned()],
        ..people.people("people")
    };
    let admin = world.test.admin();
    let engine = &world.test.engine;
    engine
        .create_issuer(world.zone.id, &admin, spec)
        .await
        .unwrap();
    let claims = with(world.claims(), "iss", people.url.as_str());
    assert_eq!(world.shown(people.sign(&claims)).await, "unknown_issuer");
    // Nor may an application be registered by it.
    let auth = ClientAuth::Workload(WorkloadRule {
        issuer: "people".parse().unwrap(),
        subject: Some("alice".parse().unwrap()),
        claims: Default::default(),
    });
    let wrong = engine
        .create_application(world.zone.id, &admin, application("wrong", auth))
        .await;
    let wrong = wrong.unwrap_err().to_string();
    assert!(
        wrong.contains("auth.issuer") && wrong.contains("may not prove applications"),
        "{wrong}"
    );
}

#[tokio::test]
async fn a_token_is_good_once_where_its_issuer_says_so() {
    let world = World::start(|spec| IssuerSpec {
        single_use: true,
        ..spec
    })
    .await;
    let claims = world.claims();
    assert_eq!(world.outcome(&claims).await, "accepted");
    assert_eq!(world.outcome(&claims).await, "replayed");
    let other = with(world.claims(), "jti", "another");
    assert_eq!(world.outcome(&other).await, "accepted");
    // Nobody knows what was used before a start.
    let now = world.test.engine.now().as_second();
    let early = with(world.claims(), "iat", now - 1);
    assert_eq!(world.outcome(&early).await, "before_start");
}

#[tokio::test]
async fn a_spiffe_id_is_of_its_trust_domain() {
    let issuer = OutsideIssuer::new("spiffe://acme.example");
    let world = World::of(issuer, |spec| spec).await;
    let auth = rule(Some("spiffe://acme.example/ns/prod/*"), &[]);
    let id = world.put(application("svid", auth)).await;
    let show = async |sub: &str, iss: Option<&str>| {
        let mut claims = with(without(world.claims(), "iss"), "sub", sub);
        claims.as_object_mut().unwrap().remove("iat");
        if let Some(iss) = iss {
            claims["iss"] = iss.into();
        }
        word(
            world
                .present(Some(id.clone()), world.issuer.sign(&claims))
                .await,
        )
    };
    assert_eq!(
        show("spiffe://acme.example/ns/prod/bot", None).await,
        "accepted"
    );
    let oidc = Some("https://oidc.acme.example");
    assert_eq!(
        show("spiffe://acme.example/ns/prod/bot", oidc).await,
        "accepted"
    );
    assert_eq!(
        show("spiffe://acme.example/ns/test/bot", None).await,
        "no_application"
    );
    assert_eq!(
        show("spiffe://evil.example/ns/prod/bot", None).await,
        "unknown_issuer"
    );
    // The domain's key speaks for its own names alone, whatever it says it is.
    let claimed = Some("spiffe://acme.example");
    assert_eq!(
        show("spiffe://evil.example/ns/prod/bot", claimed).await,
        "unknown_issuer"
    );
    assert_eq!(show("bot", claimed).await, "unknown_issuer");
}

#[tokio::test]
async fn an_issuer_that_is_removed_proves_nothing_and_one_that_is_named_stays() {
    let world = World::start(|spec| spec).await;
    let (engine, admin) = (&world.test.engine, world.test.admin());
    let kept = engine.delete_issuer(world.zone.id, &admin, "ci").await;
    assert!(matches!(kept, Err(AdminError::Invalid(_))), "{kept:?}");
    engine
        .delete_application(world.zone.id, &admin, "bot")
        .await
        .unwrap();
    engine
        .delete_issuer(world.zone.id, &admin, "ci")
        .await
        .unwrap();
    let types = world.zone.event_types(engine).await;
    for expected in ["issuer.registered", "issuer.deleted"] {
        assert!(types.contains(&expected), "{types:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_registered_is_told_field_by_field() {
    let world = World::start(|spec| spec).await;
    let good = OutsideIssuer::new("https://other.example").workloads("other");
    let (engine, admin) = (&world.test.engine, world.test.admin());
    let spec = |change: &dyn Fn(&mut IssuerSpec)| {
        let mut spec = good.clone();
        change(&mut spec);
        spec
    };
    for (field, wrong) in [
        ("issuer", spec(&|s| s.url = CI.to_owned())),
        ("issuer", spec(&|s| s.url = "spiffe://Acme/ns".to_owned())),
        ("issuer", spec(&|s| s.url = "a\u{202e}b".to_owned())),
        (
            "issuer",
            spec(&|s| {
                s.url = "http://other.example".to_owned();
                s.keys = PublishedKeys::Discovery;
            }),
        ),
        (
            "jwks_uri",
            spec(&|s| s.keys = PublishedKeys::JwksUri("http://other.example".to_owned())),
        ),
        (
            "jwks_uri",
            spec(&|s| {
                s.url = "spiffe://acme".to_owned();
                s.keys = PublishedKeys::Discovery;
            }),
        ),
        (
            "jwks",
            spec(&|s| s.keys = PublishedKeys::Jwks(json!({ "keys": [] }))),
        ),
        (
            "algorithms",
            spec(&|s| s.algorithms = vec!["HS256".to_owned()]),
        ),
        (
            "algorithms",
            spec(&|s| s.algorithms = vec!["none".to_owned()]),
        ),
        ("audiences", spec(&|s| s.audiences = vec![String::new()])),
        ("audiences", spec(&|s| s.subjects = true)),
        ("proves", spec(&|s| s.applications = false)),
        ("max_age_seconds", spec(&|s| s.max_age_seconds = 59)),
        ("max_age_seconds", spec(&|s| s.max_age_seconds = 86_401)),
    ] {
        let refused = engine
            .create_issuer(world.zone.id, &admin, wrong.clone())
            .await;
        let Err(AdminError::Invalid(fields)) = refused else {
            panic!("{wrong:?} was taken");
        };
        let expected = format!("issuers[other].{field}");
        assert!(
            fields.iter().any(|f| f.field == expected),
            "{expected}: {fields:?}"
        );
    }
    engine
        .create_issuer(world.zone.id, &admin, good)
        .await
        .unwrap();
    for auth in [rule(None, &[]), rule(None, &[("sub", "x")])] {
        let refused = engine
            .create_application(world.zone.id, &admin, application("new", auth))
            .await;
        assert!(
            matches!(refused, Err(AdminError::Invalid(_))),
            "{refused:?}"
        );
    }
    let nobody = ClientAuth::Workload(WorkloadRule {
        issuer: "nobody".parse::<Name>().unwrap(),
        subject: Some("x".parse().unwrap()),
        claims: Default::default(),
    });
    let refused = engine
        .create_application(world.zone.id, &admin, application("new", nobody))
        .await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("no issuer `nobody`"), "{refused}");
}

/// A zone whose issuer publishes its keys here.
async fn published(endpoint: &KeyEndpoint, keys: PublishedKeys, url: &str) -> World {
    let issuer = OutsideIssuer::new(url);
    endpoint.answer("/jwks", Answers::Json(issuer.jwks().to_string()));
    World::of(issuer, |spec| IssuerSpec {
        keys,
        allow_private: true,
        ..spec
    })
    .await
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_for_an_unknown_key() {
    let endpoint = KeyEndpoint::start().await;
    let keys = PublishedKeys::JwksUri(endpoint.url("/jwks"));
    let mut world = published(&endpoint, keys, CI).await;
    // Many at once wait for one fetch.
    let claims = world.claims();
    let shown: Vec<_> = (0..8).map(|_| world.outcome(&claims)).collect();
    let outcomes = futures_util::future::join_all(shown).await;
    assert!(outcomes.iter().all(|o| *o == "accepted"), "{outcomes:?}");
    assert_eq!(endpoint.asked(), 1);

    // A key that is made up is asked for, and not again within some seconds.
    let mut stranger = OutsideIssuer::new(CI);
    stranger.rotate("made-up");
    world.test.clock.advance_seconds(11);
    let claims = world.claims();
    for _ in 0..5 {
        assert_eq!(world.shown(stranger.sign(&claims)).await, "bad_signature");
    }
    assert_eq!(endpoint.asked(), 2);

    // A new key is found as soon as it may be looked for.
    world.issuer.rotate("second");
    endpoint.answer("/jwks", Answers::Json(world.issuer.jwks().to_string()));
    world.test.clock.advance_seconds(11);
    assert_eq!(world.outcome(&world.claims()).await, "accepted");
    assert_eq!(endpoint.asked(), 3);
}

#[tokio::test]
async fn keys_are_found_by_the_metadata_of_their_issuer_alone() {
    let endpoint = KeyEndpoint::start().await;
    let url = endpoint.url("");
    let metadata = |issuer: &str, uri: &str| {
        let body = json!({ "issuer": issuer, "jwks_uri": uri }).to_string();
        endpoint.answer("/.well-known/openid-configuration", Answers::Json(body));
    };
    metadata(&url, &endpoint.url("/jwks"));
    let world = published(&endpoint, PublishedKeys::Discovery, &url).await;
    assert_eq!(world.outcome(&world.claims()).await, "accepted");
    assert_eq!(endpoint.asked(), 2);
    for (issuer, uri) in [
        ("https://other.example", endpoint.url("/jwks")),
        (&url, "http://keys.example/jwks".to_owned()),
        (&url, "file:///etc/passwd".to_owned()),
    ] {
        metadata(issuer, &uri);
        let other = published(&endpoint, PublishedKeys::Discovery, &url).await;
        let outcome = other.outcome(&other.claims()).await;
        assert_eq!(outcome, "temporarily_unavailable", "{issuer} {uri}");
    }
}

#[tokio::test]
async fn an_endpoint_that_misbehaves_gives_no_keys() {
    let endpoint = KeyEndpoint::start().await;
    let private =
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "d": "AA", "x": "AA", "y": "AA" }] });
    for answers in [
        Answers::Endless,
        Answers::Hangs,
        Answers::Json("<html>".to_owned()),
        Answers::Json("{\"keys\":[]}".to_owned()),
        Answers::Json(private.to_string()),
        Answers::Status("500 Internal Server Error"),
        // A redirect leads nowhere, not even to the keys.
        Answers::Status("302 Found"),
    ] {
        let keys = PublishedKeys::JwksUri(endpoint.url("/bad"));
        let world = published(&endpoint, keys, CI).await;
        endpoint.answer("/bad", answers);
        let began = std::time::Instant::now();
        let before = endpoint.asked();
        let outcome = world.outcome(&world.claims()).await;
        assert_eq!(outcome, "temporarily_unavailable");
        assert!(began.elapsed() < Duration::from_secs(6));
        // It is left alone for a while.
        let outcome = world.outcome(&world.claims()).await;
        assert_eq!(outcome, "temporarily_unavailable");
        assert_eq!(endpoint.asked(), before + 1);
    }
    let taken = endpoint.sent();
    assert!(taken < 16 * 1024 * 1024, "{taken} bytes were taken");
}

#[tokio::test]
async fn keys_are_not_fetched_where_the_issuer_may_not_be() {
    let endpoint = KeyEndpoint::start().await;
    let keys = PublishedKeys::JwksUri(endpoint.url("/jwks").replace("http:", "https:"));
    let world = World::of(OutsideIssuer::new(CI), |spec| IssuerSpec { keys, ..spec }).await;
    assert_eq!(
        world.outcome(&world.claims()).await,
        "temporarily_unavailable"
    );
    assert_eq!(endpoint.asked(), 0, "nothing was sent to a private address");
}

#[tokio::test]
async fn known_keys_are_used_while_the_endpoint_is_down_and_not_for_ever() {
    let endpoint = KeyEndpoint::start().await;
    let keys = PublishedKeys::JwksUri(endpoint.url("/jwks"));
    let world = published(&endpoint, keys, CI).await;
    assert_eq!(world.outcome(&world.claims()).await, "accepted");
    endpoint.answer("/jwks", Answers::Hangs);
    world.test.clock.advance_seconds(601);
    let began = std::time::Instant::now();
    assert_eq!(world.outcome(&world.claims()).await, "accepted");
    assert!(
        began.elapsed() < Duration::from_millis(1500),
        "a mint waited for a hanging endpoint"
    );
    endpoint.answer("/jwks", Answers::Status("503 Service Unavailable"));
    world.test.clock.advance_seconds(2998);
    assert_eq!(world.outcome(&world.claims()).await, "accepted");
    world.test.clock.advance_seconds(11);
    assert_eq!(
        world.outcome(&world.claims()).await,
        "temporarily_unavailable"
    );
    // It comes back with the endpoint.
    endpoint.answer("/jwks", Answers::Json(world.issuer.jwks().to_string()));
    world.test.clock.advance_seconds(11);
    assert_eq!(world.outcome(&world.claims()).await, "accepted");
}

#[tokio::test]
async fn an_application_publishes_its_own_keys() {
    let endpoint = KeyEndpoint::start().await;
    let mut own = OutsideIssuer::new("");
    endpoint.answer("/own", Answers::Json(own.jwks().to_string()));
    let world = World::start(|spec| spec).await;
    let auth = ClientAuth::PublishedKeyJwt {
        jwks_uri: endpoint.url("/own"),
        allow_private: true,
    };
    let id = world.put(application("own", auth)).await;
    let claims = || {
        let now = world.test.engine.now().as_second();
        let jti = caracal_crypto::hex(&caracal_crypto::random_bytes::<16>());
        json!({ "iss": id, "sub": id, "aud": TOKEN, "iat": now, "exp": now + 60, "jti": jti })
    };
    let once = own.sign(&claims());
    assert_eq!(word(world.present(None, once.clone()).await), "accepted");
    assert_eq!(word(world.present(None, once).await), "replayed");
    own.rotate("second");
    endpoint.answer("/own", Answers::Json(own.jwks().to_string()));
    world.test.clock.advance_seconds(11);
    assert_eq!(
        word(world.present(None, own.sign(&claims())).await),
        "accepted"
    );
    let plain = ClientAuth::PublishedKeyJwt {
        jwks_uri: "http://keys.example".to_owned(),
        allow_private: true,
    };
    let refused = world
        .test
        .engine
        .create_application(
            world.zone.id,
            &world.test.admin(),
            application("plain", plain),
        )
        .await;
    assert!(
        matches!(refused, Err(AdminError::Invalid(_))),
        "{refused:?}"
    );
}

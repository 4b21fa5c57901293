//! Providers: where a credential may go.

use caracal_core::{Operation, Secret};
use caracal_engine::{AdminError, ProviderSpec};
use caracal_testkit::{SeededZone, TestEngine};

const ALL: &str = "permit (principal in Application::\"anton\", action, resource);";

fn fields<T>(result: Result<T, AdminError>) -> Vec<String> {
    match result {
        Err(AdminError::Invalid(errors)) => errors.into_iter().map(|e| e.field).collect(),
        Err(other) => vec![other.to_string()],
        Ok(_) => Vec::new(),
    }
}

fn kept(hosts: Option<&[&str]>) -> ProviderSpec {
    ProviderSpec {
        secret: None,
        allowed_hosts: hosts.map(|hosts| hosts.iter().map(|h| h.parse().unwrap()).collect()),
        ..SeededZone::provider("key")
    }
}

#[tokio::test]
async fn the_hosts_default_to_those_of_the_resources() {
    let test = TestEngine::in_memory().await;
    let mut spec = SeededZone::spec(ALL);
    spec.resources[1].provider = Some("key".parse().unwrap());
    spec.resources[1].upstream = "http://127.0.0.1:9000/base".to_owned();
    spec.resources[1].allow_private = true;
    let zone = test.seed("hosts", spec).await;
    let held = test
        .engine
        .get_provider(zone.id, &test.admin(), "key")
        .unwrap();
    let hosts: Vec<_> = held
        .value
        .allowed_hosts
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(hosts, ["127.0.0.1:9000", "items.example.com:443"]);
}

#[tokio::test]
async fn other_hosts_need_the_secret_again() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let (engine, admin) = (&test.engine, test.admin());
    let same = engine
        .update_provider(zone.id, &admin, "key", kept(None))
        .await
        .unwrap();
    assert_eq!(same.version.0, 1);
    let wider = kept(Some(&["items.example.com:443", "evil.example.com:443"]));
    let found = fields(engine.update_provider(zone.id, &admin, "key", wider).await);
    assert_eq!(found, ["providers[key].secret"]);
    let narrower = kept(Some(&[]));
    assert!(
        !fields(
            engine
                .update_provider(zone.id, &admin, "key", narrower)
                .await
        )
        .is_empty()
    );
    // A resource cannot lead it elsewhere either.
    let mut moved = SeededZone::resource("items", Some("key"));
    moved.upstream = "https://evil.example.com".to_owned();
    let found = fields(
        engine
            .update_resource(zone.id, &admin, "items", moved)
            .await,
    );
    assert_eq!(found, ["resources[items].upstream"]);
    let second = SeededZone::resource("second", Some("key"));
    let found = fields(engine.create_resource(zone.id, &admin, second).await);
    assert_eq!(found, ["resources[second].upstream"]);
    let mut again = kept(Some(&["items.example.com:443", "second.example.com:443"]));
    again.secret = Some(Secret::new(b"sk-new".to_vec()));
    engine
        .update_provider(zone.id, &admin, "key", again)
        .await
        .unwrap();
    let second = SeededZone::resource("second", Some("key"));
    engine
        .create_resource(zone.id, &admin, second)
        .await
        .unwrap();
    let text = zone
        .mint(engine, &["resource://second"], None)
        .await
        .unwrap()
        .text;
    let permit = zone
        .call(engine, &text, "second", "GET", "/v1/x")
        .await
        .unwrap();
    assert!(
        permit
            .injection()
            .unwrap()
            .headers
            .iter()
            .any(|(_, v)| v.expose() == b"Bearer sk-new")
    );
}

#[tokio::test]
async fn a_credential_travels_in_clear_only_to_loopback() {
    let test = TestEngine::in_memory().await;
    for (upstream, allow_private, allowed) in [
        ("https://api.example.com", false, true),
        ("http://api.example.com", false, false),
        ("http://api.example.com", true, false),
        ("http://127.0.0.1:9000", false, false),
        ("http://127.0.0.1:9000", true, true),
        ("http://localhost:9000", true, true),
        ("http://[::1]:9000", true, true),
        ("http://10.0.0.1:9000", true, false),
        ("http://localhost.example.com", true, false),
        ("http://127.0.0.1.example.com", true, false),
    ] {
        let mut spec = SeededZone::spec(ALL);
        spec.resources[0].upstream = upstream.to_owned();
        spec.resources[0].allow_private = allow_private;
        let name = format!("z{}", test.engine.list_zones(&test.admin()).unwrap().len());
        let zone = test
            .engine
            .create_zone(&test.admin(), name.parse().unwrap())
            .await
            .unwrap();
        let found = fields(test.engine.apply(zone.value.id, &test.admin(), spec).await);
        let expected: &[&str] = if allowed {
            &[]
        } else {
            &["resources[items].upstream"]
        };
        assert_eq!(found, expected, "{upstream} {allow_private}");
    }
}

#[tokio::test]
async fn what_something_names_cannot_go() {
    let test = TestEngine::in_memory().await;
    let zone = test
        .seed_policy(
            "permit (principal in Application::\"anton\", action == Action::\"read\", \
         resource == Resource::\"resource://items\");",
        )
        .await;
    let (engine, admin) = (&test.engine, test.admin());
    let found = fields(engine.delete_provider(zone.id, &admin, "key").await);
    assert_eq!(found, ["resources[items].provider"]);
    let found = fields(engine.delete_application(zone.id, &admin, "anton").await);
    assert!(found[0].starts_with("policies[rules]"), "{found:?}");
    let found = fields(engine.delete_resource(zone.id, &admin, "items").await);
    assert!(found[0].starts_with("policies[rules]"), "{found:?}");
    let mut without = SeededZone::resource("items", Some("key"));
    without.scopes = vec!["write".parse().unwrap()];
    without
        .operations
        .retain(|o: &Operation| o.scope.as_str() == "write");
    let found = fields(
        engine
            .update_resource(zone.id, &admin, "items", without)
            .await,
    );
    assert!(found[0].starts_with("policies[rules]"), "{found:?}");
    engine
        .delete_resource(zone.id, &admin, "notes")
        .await
        .unwrap();
    engine
        .delete_application(zone.id, &admin, "berta")
        .await
        .unwrap();
}

/// A resource that begins to use a provider races with the provider's hosts.
#[tokio::test]
async fn a_resource_and_its_provider_change_in_some_order() {
    let test = TestEngine::in_memory().await;
    let mut spec = SeededZone::spec(ALL);
    spec.providers[0].allowed_hosts = Some(vec![
        "items.example.com:443".parse().unwrap(),
        "notes.example.com:443".parse().unwrap(),
    ]);
    let zone = test.seed("order", spec).await;
    let admin = test.admin();
    let mut narrow = kept(Some(&["items.example.com:443"]));
    narrow.secret = Some(Secret::new(b"sk-new".to_vec()));
    let (resource, provider) = tokio::join!(
        test.engine.update_resource(
            zone.id,
            &admin,
            "notes",
            SeededZone::resource("notes", Some("key"))
        ),
        test.engine.update_provider(zone.id, &admin, "key", narrow),
    );
    assert_ne!(resource.is_ok(), provider.is_ok(), "both cannot hold");
}

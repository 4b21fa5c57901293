//! Every operation of the document is attacked: by nobody, by a token of another zone, and by
//! a role one too low. An operation without a case here fails the test.

use std::collections::BTreeMap;

use caracal_core::Receiver;
use caracal_core::Role;
use caracal_engine::{CallerCredentials, CreateDelegation};
use http::Method;
use serde_json::{Value, json};

use crate::world::{World, policy, zone_request};

/// What a token of another zone gets.
#[derive(Clone, Copy, PartialEq)]
enum Stranger {
    /// The zone does not exist for it.
    NotFound,
    /// It is told that it may not.
    Forbidden,
    /// The operation is for every operator, and shows only what is theirs.
    Served,
}

struct Case {
    stranger: Stranger,
    body: Option<Value>,
    /// The status for who may.
    good: u16,
}

fn case(stranger: Stranger, body: Option<Value>, good: u16) -> Case {
    Case {
        stranger,
        body,
        good,
    }
}

fn cases() -> BTreeMap<&'static str, Case> {
    use Stranger::{Forbidden, NotFound, Served};
    let read = || case(NotFound, None, 200);
    let write = |body| case(NotFound, Some(body), 200);
    let create = |body| case(NotFound, Some(body), 201);
    let delete = || case(NotFound, None, 204);
    let application = |name: &str| json!({"name": name});
    let provider = |name: &str| json!({"name": name, "kind": "none"});
    let issuer = |name: &str| {
        let url = format!("https://{name}.example");
        json!({"name": name, "issuer": url, "proves": ["applications"]})
    };
    let resource = |name: &str, scopes: Value| json!({"name": name, "upstream": "https://x.example", "scopes": scopes});
    let bundle = || json!({"policies": [policy("anton", "openai:chat")]});
    let token = || json!({"name": "new", "role": "viewer"});
    let explain = json!({"application": "anton", "resource": "openai", "scope": "openai:models"});
    BTreeMap::from([
        ("listZones", case(Served, None, 200)),
        (
            "createZone",
            case(Forbidden, Some(json!({"name": "new"})), 201),
        ),
        ("getZone", read()),
        ("listApplications", read()),
        ("createApplication", create(application("new"))),
        ("getApplication", read()),
        ("updateApplication", write(application("anton"))),
        ("deleteApplication", delete()),
        ("listSecrets", read()),
        ("rotateSecret", create(json!({"overlap_seconds": 60}))),
        ("endSecret", delete()),
        ("listResources", read()),
        ("createResource", create(resource("new", json!(["a"])))),
        ("getResource", read()),
        (
            "updateResource",
            write(resource("openai", json!(["openai:models"]))),
        ),
        ("deleteResource", delete()),
        ("listProviders", read()),
        ("createProvider", create(provider("new"))),
        ("getProvider", read()),
        ("updateProvider", write(provider("spare"))),
        ("deleteProvider", delete()),
        ("listIssuers", read()),
        ("createIssuer", create(issuer("new"))),
        ("getIssuer", read()),
        ("updateIssuer", write(issuer("spare"))),
        ("deleteIssuer", delete()),
        ("findSubject", write(json!({"sub": "alice"}))),
        ("listSinks", read()),
        ("createSink", create(spare_sink("new"))),
        ("getSink", read()),
        ("updateSink", write(spare_sink("spare"))),
        ("deleteSink", delete()),
        // The worlds of this test have no way out.
        ("testSink", case(NotFound, None, 503)),
        ("listDeliveries", read()),
        ("listPolicies", read()),
        ("getPolicy", read()),
        ("listBundles", read()),
        ("storeBundle", create(bundle())),
        ("checkBundle", write(bundle())),
        ("testBundle", write(bundle())),
        ("getBundle", read()),
        ("activateBundle", read()),
        ("explainDecision", write(explain)),
        ("listTokens", read()),
        ("createToken", create(token())),
        ("deleteToken", delete()),
        ("listInstanceTokens", case(Forbidden, None, 200)),
        ("createInstanceToken", case(Forbidden, Some(token()), 201)),
        ("deleteInstanceToken", case(Forbidden, None, 204)),
        ("listKeys", read()),
        ("rotateKey", read()),
        ("dropKey", read()),
        ("getMasterKey", case(Forbidden, None, 200)),
        // The worlds of this test have no key file.
        ("rotateMasterKey", case(Forbidden, None, 409)),
        ("listSessions", read()),
        ("getSession", read()),
        ("getSessionAuthority", read()),
        ("getBlastRadius", read()),
        ("openSession", create(json!({"ttl_seconds": 60}))),
        ("suspendSession", read()),
        ("resumeSession", read()),
        ("closeSession", delete()),
        ("listDelegations", read()),
        ("getDelegation", read()),
        ("endDelegation", read()),
        ("listRevocations", read()),
        (
            "revoke",
            write(json!({"anchor": "mnd_01890a5d-ac96-774b-bcce-b302099a8057"})),
        ),
        ("liftRevocation", read()),
        ("listApprovals", read()),
        ("getApproval", read()),
        ("approve", read()),
        ("reject", read()),
        ("freezeZone", write(json!({"reason": "drill"}))),
        ("thawZone", read()),
        ("listEvents", read()),
        ("streamEvents", read()),
        ("getEvent", read()),
        ("explainEvent", read()),
        ("proveEvent", read()),
        ("listLogs", read()),
        ("getCheckpoint", read()),
        ("getPruned", read()),
        ("getTile", read()),
        ("listEntries", read()),
        ("applyToZone", write(zone_request("acme"))),
        ("apply", case(Forbidden, Some(zone_request("acme")), 200)),
        ("exportZone", read()),
        ("listNodes", read()),
        ("getStatus", case(Served, None, 200)),
        ("takeBackup", case(Forbidden, None, 200)),
        ("rebuildIndex", case(Forbidden, None, 202)),
        ("getDocument", case(Served, None, 200)),
        ("getHealth", case(Served, None, 200)),
        ("getReadiness", case(Served, None, 200)),
    ])
}

struct Operation {
    id: String,
    method: Method,
    path: String,
    /// The weakest role that may; none for what everybody may.
    role: Option<Role>,
}

async fn operations(world: &World) -> Vec<Operation> {
    let document = world.get("/v1/openapi.json", "").await.expect(200);
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let security = operation["security"].as_array().unwrap();
            let role = security[0]
                .get("operator")
                .map(|roles| roles[0].as_str().unwrap());
            all.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                role: role.map(|role| role.parse().unwrap()),
            });
        }
    }
    all
}

/// Asks for a mandate that a person has to approve.
async fn ask_for_approval(world: &World, zone: &str, owner: &str) -> String {
    let asker = world
        .post(
            &format!("{zone}/applications"),
            owner,
            json!({"name": "asker"}),
        )
        .await
        .expect(201);
    let cedar =
        "@approval(\"operator\") permit (principal in Application::\"asker\", action, resource);";
    let request = json!({"policies": [{"name": "held", "cedar": cedar}]});
    world
        .post(&format!("{zone}/apply"), owner, request)
        .await
        .expect(200);
    let client = caracal_engine::ClientCredentials {
        client_id: asker["id"].as_str().unwrap().to_owned(),
        secret: asker["client_secret"].as_str().unwrap().to_owned().into(),
    };
    let caller = caracal_engine::CallerCredentials::Client(client);
    let request = caracal_engine::IssueRequest {
        resources: vec!["resource://openai".to_owned()],
        ..caracal_engine::IssueRequest::new(caller, "req_ask")
    };
    match world.engine.issue(request).await.err() {
        Some(caracal_engine::IssueError::InteractionRequired { approval, .. }) => {
            approval.to_string()
        }
        other => panic!("{other:?}"),
    }
}

fn spare_sink(name: &str) -> Value {
    json!({"name": name, "kind": "webhook", "url": "https://x.example/hook",
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
}

/// The path with something that exists in place of each parameter.
async fn fill(world: &World, operation: &Operation) -> String {
    let owner = world.owner().await;
    let zone = format!("/v1/zones/{}", world.acme);
    let mut path = operation.path.replace("{zone}", &world.acme.to_string());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for parameter in [
        "application",
        "resource",
        "provider",
        "issuer",
        "sink",
        "policy",
        "version",
        "secret",
        "token",
        "session",
        "delegation",
        "revocation",
        "approval",
        "key",
        "event",
        "log",
        "tile",
    ] {
        let slot = format!("{{{parameter}}}");
        if !path.contains(&slot) {
            continue;
        }
        let value = match parameter {
            "application" | "policy" => "anton".to_owned(),
            "resource" => "openai".to_owned(),
            "provider" => {
                let spare = json!({"name": "spare", "kind": "none"});
                world
                    .post(&format!("{zone}/providers"), &owner, spare)
                    .await
                    .expect(201);
                "spare".to_owned()
            }
            "issuer" => {
                let spare = json!({"name": "spare", "issuer": "https://spare.example", "proves": ["applications"]});
                world
                    .post(&format!("{zone}/issuers"), &owner, spare)
                    .await
                    .expect(201);
                "spare".to_owned()
            }
            "sink" => {
                let all = format!("{zone}/sinks");
                world
                    .post(&all, &owner, spare_sink("spare"))
                    .await
                    .expect(201);
                "spare".to_owned()
            }
            "version" => text(
                &world
                    .get(&format!("{zone}/bundles"), &owner)
                    .await
                    .expect(200)["items"][0]["version"],
            ),
            "secret" => {
                // The older of two: the only one cannot be ended.
                let all = format!("{zone}/applications/anton/secrets");
                let rotated = world.post(&all, &owner, json!({})).await.expect(201);
                text(&rotated["older"][0]["id"])
            }
            "token" => {
                let spare = json!({"name": "spare", "role": "viewer"});
                let all = if path.starts_with("/v1/tokens") {
                    "/v1/tokens".to_owned()
                } else {
                    format!("{zone}/tokens")
                };
                text(&world.post(&all, &owner, spare).await.expect(201)["id"])
            }
            "session" => text(&session(world, &owner).await["id"]),
            "delegation" => delegation(world, &owner).await,
            "revocation" => {
                let application = world
                    .get(&format!("{zone}/applications/anton"), &owner)
                    .await
                    .expect(200);
                let anchor = json!({"anchor": application["id"]});
                text(
                    &world
                        .post(&format!("{zone}/revocations"), &owner, anchor)
                        .await
                        .expect(200)["id"],
                )
            }
            "approval" => ask_for_approval(world, &zone, &owner).await,
            "key" => text(
                &world.get(&format!("{zone}/keys"), &owner).await.expect(200)["items"][0]["id"],
            ),
            "event" => text(
                &world
                    .get(&format!("{zone}/events?limit=1"), &owner)
                    .await
                    .expect(200)["items"][0]["id"],
            ),
            "log" => text(
                &world.get(&format!("{zone}/logs"), &owner).await.expect(200)["items"][0]["id"],
            ),
            _ => "0/000.p/1".to_owned(),
        };
        path = path.replace(&slot, &value);
    }
    if operation.id == "deleteApplication" || operation.id == "deleteResource" {
        // What an active policy or a session names cannot be deleted.
        let empty = json!({"zone": "acme", "applications": [{"name": "anton"}], "resources": [
            {"name": "openai", "upstream": "https://x.example", "scopes": ["a"]}], "prune": true});
        world.post("/v1/apply", &owner, empty).await.expect(200);
    }
    if operation.id == "thawZone" {
        world
            .call(Method::POST, &format!("{zone}/freeze"), &owner, None, &[])
            .await
            .expect(200);
    }
    path
}

/// A session of `anton`.
async fn session(world: &World, owner: &str) -> Value {
    let path = format!("/v1/zones/{}/applications/anton/sessions", world.acme);
    world.post(&path, owner, json!({})).await.expect(201)
}

/// A delegation between two sessions of `anton`.
async fn delegation(world: &World, owner: &str) -> String {
    let (from, to) = (session(world, owner).await, session(world, owner).await);
    let id = |session: &Value| session["id"].as_str().unwrap().parse().unwrap();
    let authority = json!([{"resource": "resource://openai", "scopes": ["openai:models"]}]);
    let wanted = CreateDelegation {
        from: id(&from),
        via: None,
        to: Receiver::Session(id(&to)),
        authority: serde_json::from_value(authority).unwrap(),
        ttl_seconds: None,
        max_depth: None,
        calls: None,
        idempotency: None,
        request_id: "req_lend".to_owned(),
    };
    let mandate = from["session_mandate"].as_str().unwrap().to_owned();
    let caller = CallerCredentials::Session(mandate);
    let made = world.engine.create_delegation(&caller, None, wanted).await;
    made.unwrap().id.to_string()
}

fn one_too_low(role: Role) -> Option<Role> {
    let at = Role::ALL.iter().position(|held| *held == role).unwrap();
    Role::ALL.get(at + 1).copied()
}

#[tokio::test]
async fn every_operation_has_a_case_and_every_case_an_operation() {
    let world = World::start().await;
    let mut declared: Vec<_> = operations(&world).await.into_iter().map(|o| o.id).collect();
    declared.sort();
    let known: Vec<_> = cases().into_keys().collect();
    assert_eq!(declared, known, "give each operation a case");
}

#[tokio::test]
async fn every_operation_withstands_those_who_may_not() {
    let cases = cases();
    let listing = World::start().await;
    for operation in operations(&listing).await {
        // A world of its own: what one operation deletes another may need.
        let world = World::start().await;
        let path = fill(&world, &operation).await;
        let case = &cases[operation.id.as_str()];
        let id = &operation.id;
        let send = async |token: &str| {
            let request = world.call(
                operation.method.clone(),
                &path,
                token,
                case.body.clone(),
                &[],
            );
            // A live feed has no end of its own.
            if id == "streamEvents" {
                let shutdown = world.shutdown.clone();
                shutdown.cancel();
            }
            request.await
        };
        let Some(role) = operation.role else {
            assert_eq!(send("").await.status.as_u16(), case.good, "{id} by nobody");
            continue;
        };
        let nobody = send("").await;
        assert_eq!(
            nobody.status.as_u16(),
            401,
            "{id} by nobody: {}",
            nobody.text()
        );
        assert!(
            nobody.header("www-authenticate").starts_with("Bearer"),
            "{id}"
        );
        let forged = format!("{}x", world.owner().await);
        assert_eq!(
            send(&forged).await.status.as_u16(),
            401,
            "{id} by a forged token"
        );

        let stranger = send(&world.token(Some(world.other), Role::Owner).await).await;
        let (acme, wanted) = (
            world.acme.to_string(),
            match case.stranger {
                Stranger::NotFound => 404,
                Stranger::Forbidden => 403,
                Stranger::Served => case.good,
            },
        );
        assert_eq!(
            stranger.status.as_u16(),
            wanted,
            "{id} by a stranger: {}",
            stranger.text()
        );
        let leaked = stranger.status.is_success() && stranger.text().contains(&acme);
        assert!(!leaked, "{id} shows a stranger the zone");

        let for_all = operation.path.contains("{zone}") || id == "apply";
        let place = if for_all { Some(world.acme) } else { None };
        if let Some(low) = one_too_low(role) {
            let low = send(&world.token(place, low).await).await;
            assert_eq!(
                low.status.as_u16(),
                403,
                "{id} by a role too low: {}",
                low.text()
            );
            assert_eq!(low.json()["code"], "forbidden");
        }
        let good = send(&world.token(place, role).await).await;
        assert_eq!(
            good.status.as_u16(),
            case.good,
            "{id} by who may: {}",
            good.text()
        );
        assert!(!good.text().contains("s3cr3t"), "{id} shows a secret");
    }
}

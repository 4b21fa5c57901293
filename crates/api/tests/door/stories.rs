//! What operators do, from one end to the other.

use http::Method;
use serde_json::{Value, json};

use crate::world::{World, policy, zone_request};

#[tokio::test]
async fn applying_is_idempotent_and_gives_a_secret_once() {
    let world = World::start().await;
    let owner = world.owner().await;
    let file = zone_request("new");
    let planned = world
        .post("/v1/apply?dry_run=true", &owner, file.clone())
        .await
        .expect(200);
    assert_eq!(planned["changes"], 5, "{planned}");
    assert_eq!(planned["dry_run"], true);
    world.get("/v1/zones/new", &owner).await.expect(404);

    let first = world
        .post("/v1/apply", &owner, file.clone())
        .await
        .expect(200);
    assert_eq!(
        first["changed"][0],
        json!({"action": "create", "noun": "zone", "name": "new"})
    );
    assert_eq!(first["zone"]["name"], "new");
    assert_eq!(first["policies"], json!(["anton"]));
    let secret = first["applications"][0]["client_secret"].as_str().unwrap();
    assert!(secret.starts_with("caracal_secret_"));
    for noun in ["applications", "resources", "providers"] {
        assert!(
            first[noun][0]["id"].as_str().unwrap().contains('_'),
            "{noun}"
        );
    }

    let again = world
        .post("/v1/zones/new/apply", &owner, file.clone())
        .await
        .expect(200);
    assert_eq!(again["changes"], 0, "{again}");
    assert_eq!(again["applications"][0].get("client_secret"), None);
    assert_eq!(
        again["applications"][0]["id"],
        first["applications"][0]["id"]
    );

    let exported = world.get("/v1/zones/new/export", &owner).await.expect(200);
    assert!(!exported.to_string().contains("s3cr3t"));
    assert_eq!(
        exported["providers"][0]["allowed_hosts"],
        json!(["api.openai.com:443"])
    );
    let back = world
        .post("/v1/zones/new/apply", &owner, exported)
        .await
        .expect(200);
    assert_eq!(back["changes"], 0, "an export changes nothing: {back}");

    let elsewhere = world
        .post("/v1/zones/acme/apply", &owner, file)
        .await
        .expect(422);
    assert_eq!(elsewhere["errors"][0]["field"], "zone");
}

#[tokio::test]
async fn every_mistake_of_a_file_is_placed() {
    let world = World::start().await;
    let owner = world.owner().await;
    let mut file = zone_request("acme");
    file["resources"][0]["upstream"] = json!("ftp://x");
    file["resources"][0]["max_stream_seconds"] = json!(0);
    let refused = world.post("/v1/apply", &owner, file).await.expect(422);
    let fields: Vec<_> = refused["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].clone())
        .collect();
    assert!(
        fields.contains(&json!("resources[0].upstream")),
        "{refused}"
    );
    assert!(
        fields.contains(&json!("resources[0].max_stream_seconds")),
        "{refused}"
    );
    let mut file = zone_request("acme");
    file["policies"] = json!([policy("anton", "openai:chta")]);
    let refused = world.post("/v1/apply", &owner, file).await.expect(422);
    let field = refused["errors"][0]["field"].as_str().unwrap();
    assert!(field.starts_with("policies[anton]:1:"), "{refused}");
}

#[tokio::test]
async fn objects_have_versions_and_conditions() {
    let world = World::start().await;
    let owner = world.owner().await;
    let created = world
        .post(
            "/v1/zones/acme/applications",
            &owner,
            json!({"name": "berta"}),
        )
        .await;
    assert_eq!(created.status.as_u16(), 201);
    assert_eq!(created.header("etag"), "\"1\"");
    let place = created.header("location").to_owned();
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(place, format!("/v1/zones/{}/applications/{id}", world.acme));
    assert!(created.json()["client_secret"].is_string());
    let taken = world
        .post(
            "/v1/zones/acme/applications",
            &owner,
            json!({"name": "berta"}),
        )
        .await;
    assert_eq!(taken.expect(409)["code"], "name_taken");

    let put = async |label: &str, tag: &str, query: &str| {
        let body = Some(json!({"name": "berta", "labels": [label]}));
        let headers = [("if-match", tag)];
        world
            .call(
                Method::PUT,
                &format!("{place}{query}"),
                &owner,
                body,
                &headers,
            )
            .await
    };
    let tried = put("a", "\"1\"", "?dry_run=true").await;
    assert_eq!(tried.status.as_u16(), 200);
    let changed = put("a", "\"1\"", "").await;
    assert_eq!(changed.header("etag"), "\"2\"");
    let stale = put("b", "\"1\"", "").await;
    assert_eq!(stale.expect(412)["code"], "version_mismatch");
    let held = world.get(&place, &owner).await;
    assert_eq!(held.header("etag"), "\"2\"");
    assert_eq!(held.json()["labels"], json!(["a"]));
    assert!(!held.text().contains("caracal_secret_") && !held.text().contains("sha256"));
    let rename = Some(json!({"name": "other"}));
    let renamed = world
        .call(Method::PUT, &place, &owner, rename, &[])
        .await
        .expect(422);
    assert_eq!(renamed["errors"][0]["field"], "name");
}

#[tokio::test]
async fn a_repeated_write_is_carried_out_once() {
    let world = World::start().await;
    let owner = world.owner().await;
    let path = "/v1/zones/acme/applications";
    let send = async |name: &str, key: &str| {
        let body = Some(json!({"name": name}));
        world
            .call(
                Method::POST,
                path,
                &owner,
                body,
                &[("idempotency-key", key)],
            )
            .await
    };
    let first = send("berta", "k1").await.expect(201);
    let second = send("berta", "k1").await.expect(201);
    assert_eq!(first, second, "the same answer, with the same secret");
    assert_eq!(
        send("carla", "k1").await.expect(422)["code"],
        "idempotency_conflict"
    );
    assert_eq!(send("berta", "k2").await.expect(409)["code"], "name_taken");
}

#[tokio::test]
async fn lists_go_on_where_they_stopped() {
    let world = World::start().await;
    let owner = world.owner().await;
    for i in 0..5 {
        let name = format!("app-{i}");
        world
            .post("/v1/zones/acme/applications", &owner, json!({"name": name}))
            .await
            .expect(201);
        let token = json!({"name": name, "role": "viewer"});
        world
            .post("/v1/zones/acme/tokens", &owner, token)
            .await
            .expect(201);
    }
    for anchor in 0..5 {
        let anchor = format!("mnd_01890a5d-ac96-774b-bcce-b302099a805{anchor}");
        let body = json!({"anchor": anchor});
        world
            .post("/v1/zones/acme/revocations", &owner, body)
            .await
            .expect(200);
    }
    for (path, at_least) in [
        ("/v1/zones", 2),
        ("/v1/zones/acme/applications", 6),
        ("/v1/zones/acme/tokens", 5),
        ("/v1/zones/acme/revocations", 5),
        ("/v1/zones/acme/events", 16),
    ] {
        let whole = world.get(path, &owner).await.expect(200);
        assert_eq!(whole["next_cursor"], Value::Null, "{path}");
        let mut pieces = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = world
                .get(&format!("{path}?limit=2{cursor}"), &owner)
                .await
                .expect(200);
            pieces.extend(page["items"].as_array().unwrap().iter().cloned());
            assert!(pieces.len() <= 100, "{path} has no end");
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(&pieces, whole["items"].as_array().unwrap(), "{path}");
        assert!(pieces.len() >= at_least, "{path}");
    }
}

#[tokio::test]
async fn a_bundle_is_checked_stored_activated_and_rolled_back() {
    let world = World::start().await;
    let owner = world.owner().await;
    let zone = "/v1/zones/acme";
    let before = world
        .get(&format!("{zone}/policies"), &owner)
        .await
        .expect(200);
    let old = before["policy_version"].as_str().unwrap().to_owned();
    let bundle = json!({"policies": [policy("anton", "openai:chat")]});
    let checked = world
        .post(&format!("{zone}/bundles/check"), &owner, bundle.clone())
        .await
        .expect(200);
    let stored = world
        .post(&format!("{zone}/bundles"), &owner, bundle)
        .await
        .expect(201);
    assert_eq!(stored["version"], checked["version"]);
    assert_eq!(stored["active"], false);
    let new = stored["version"].as_str().unwrap();

    let asked = json!({"application": "anton", "resource": "openai", "scope": "openai:chat",
        "method": "POST", "path": "/v1/chat/x", "query": "a=b"});
    let decision = async || {
        world
            .post(&format!("{zone}/explain"), &owner, asked.clone())
            .await
            .expect(200)
    };
    let denied = decision().await;
    assert_eq!(
        (&denied["decision"], &denied["reason"]),
        (&json!("deny"), &json!("no_permit")),
        "{denied}"
    );
    assert_eq!(denied["near_misses"][0]["part"], "action", "{denied}");
    let activate = async |version: &str| {
        let path = format!("{zone}/bundles/{version}/activate");
        world
            .call(Method::POST, &path, &owner, None, &[])
            .await
            .expect(200)
    };
    assert_eq!(activate(new).await["policy_version"], json!(new));
    let allowed = decision().await;
    assert_eq!(allowed["decision"], "allow", "{allowed}");
    assert_eq!(allowed["policies"], json!(["anton"]));
    assert_eq!(allowed["statements"][0]["status"], "permits");
    assert_eq!(activate(&old[..8]).await["policy_version"], json!(old));
    assert_eq!(decision().await["decision"], "deny");

    let wrong = json!({"policies": [{"name": "x", "cedar": "permit ("}]});
    let refused = world
        .post(&format!("{zone}/bundles/check"), &owner, wrong)
        .await
        .expect(422);
    assert!(
        refused["errors"][0]["field"]
            .as_str()
            .unwrap()
            .starts_with("policies[x]"),
        "{refused}"
    );
    let test = |expect: &str| {
        json!({"tests": [{"name": "t", "application": "anton", "resource": "openai",
            "scope": "openai:models", "expect": expect}]})
    };
    let run = async |body| {
        world
            .post(&format!("{zone}/bundles/test"), &owner, body)
            .await
    };
    let report = run(test("hold")).await.expect(200);
    assert_eq!(report["failed"], 1, "{report}");
    assert_eq!(report["results"][0]["passed"], false, "{report}");
    let refused = run(test("maybe")).await.expect(422);
    assert_eq!(
        refused["errors"][0]["field"], "tests[0].expect",
        "{refused}"
    );
    let mut unknown = test("hold");
    unknown["tests"][0]["method"] = json!("GET");
    run(unknown).await.expect(422);
    let nobody = json!({"application": "nobody", "resource": "openai", "scope": "x"});
    world
        .post(&format!("{zone}/explain"), &owner, nobody)
        .await
        .expect(404);
}

#[tokio::test]
async fn freezing_and_thawing_leave_a_receipt_and_a_trace() {
    let world = World::start().await;
    let owner = world.owner().await;
    let zone = "/v1/zones/acme";
    let act = async |path: &str| {
        world
            .call(Method::POST, &format!("{zone}/{path}"), &owner, None, &[])
            .await
    };
    let tried = act("freeze?dry_run=true").await.expect(200);
    assert_eq!(
        tried["confirmed_by"],
        json!([]),
        "nobody confirms a dry run"
    );
    assert_eq!(act("thaw").await.expect(409)["code"], "zone_not_frozen");
    let receipt = act("freeze").await.expect(200);
    assert_eq!(receipt["revoked"], json!({"zone": 1}));
    assert!(
        receipt["confirmed_by"][0]["node"]
            .as_str()
            .unwrap()
            .starts_with("node_")
    );
    for field in [
        "id",
        "revision",
        "expired_leases",
        "elapsed_ms",
        "streams_cut",
    ] {
        assert!(receipt.get(field).is_some(), "{field}");
    }
    assert_eq!(world.get(zone, &owner).await.expect(200)["frozen"], true);
    let thawed = act("thaw").await.expect(200);
    assert_eq!(thawed["id"], receipt["id"]);
    assert!(thawed["lifted_at"].is_string());
    assert_eq!(world.get(zone, &owner).await.expect(200)["frozen"], false);

    let mandate = json!({"anchor": "mnd_01890a5d-ac96-774b-bcce-b302099a8057", "reason": "leaked"});
    let receipt = world
        .post(&format!("{zone}/revocations"), &owner, mandate)
        .await
        .expect(200);
    let lift = format!("revocations/{}/lift", receipt["id"].as_str().unwrap());
    assert_eq!(act(&lift).await.expect(409)["code"], "in_use");
    let wrong = json!({"anchor": "mnd_x"});
    let refused = world
        .post(&format!("{zone}/revocations"), &owner, wrong)
        .await
        .expect(422);
    assert_eq!(refused["errors"][0]["field"], "anchor");
}

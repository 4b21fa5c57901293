//! Every refusal of the Gateway that exists, and the order of its checks.

use crate::harness::{Answer, Client, KEY, Raw, Stack, Upstream, until};

const ZONE: &str = r#"
zone: refusals
applications: [{ name: anton }]
providers:
  - { name: key, kind: bearer, secret: { from_env: STORY_KEY } }
resources:
  - name: items
    upstream: UPSTREAM
    provider: key
    allow_private: true
    scopes: [items:read, items:write, items:never]
    max_body_bytes: 100
    response_timeout_seconds: 1
    operations:
      - { method: GET, path: "/**", scope: items:read }
      - { method: POST, path: "/**", scope: items:write }
      - { method: DELETE, path: "/**", scope: items:read }
      - { method: PATCH, path: "/**", scope: items:never }
  - name: slashes
    upstream: UPSTREAM/base
    provider: key
    allow_private: true
    encoded_slashes: literal
    scopes: [items:read]
    operations: [{ method: GET, path: "/files/{name}", scope: items:read }]
  - name: dead
    upstream: http://127.0.0.1:1
    allow_private: true
    scopes: [items:read]
    operations: [{ method: GET, path: "/**", scope: items:read }]
policies:
  - name: anton
    cedar: |
      permit (principal, action, resource)
        when { context.request.method != "DELETE" };
      forbid (principal, action == Action::"items:never", resource);
"#;

struct World {
    stack: Stack,
    client: Client,
    upstream: Upstream,
    zone: String,
}

impl World {
    async fn new() -> Self {
        let upstream = Upstream::start().await;
        let mut stack = Stack::start();
        stack.set("STORY_KEY", KEY);
        let applied = stack.apply(&ZONE.replace("UPSTREAM", &upstream.url()));
        let client = stack.client(&applied, "anton");
        let zone = applied["zone"]["id"].as_str().unwrap().to_owned();
        Self {
            stack,
            client,
            upstream,
            zone,
        }
    }

    /// A request as bytes: the target is sent as it stands here.
    fn raw(&self, method: &str, target: &str, headers: &str) -> Answer {
        let mut raw = Raw::connect(&self.stack.gateway);
        raw.send(format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\n{headers}\r\n"
        ));
        let head = raw.head();
        let mut headers = http::HeaderMap::new();
        for (name, value) in &head.headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, value.parse().unwrap());
        }
        Answer {
            status: head.status(),
            headers,
            body: raw.body(&head),
        }
    }
}

/// What every refusal says of itself.
fn check(world: &World, what: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, &*answer.refusal()),
        (status, code),
        "{what}: {}",
        answer.body
    );
    let body = answer.json();
    assert_eq!(body["status"], status, "{what}");
    let id = answer.header("caracal-request-id").unwrap();
    assert_eq!(body["request_id"], id, "{what}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
    assert!(
        body["detail"].is_string() && body["title"].is_string(),
        "{what}"
    );
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    let wanted = match (status, code) {
        (401, "mandate_missing") => "Bearer realm=\"caracal\"",
        (401, _) => "error=\"invalid_token\"",
        (_, "scope_missing") => "error=\"insufficient_scope\"",
        _ => "",
    };
    assert!(
        challenge.contains(wanted) && challenge.is_empty() == wanted.is_empty(),
        "{what}: {challenge}"
    );
    if code == "mandate_missing" {
        assert!(!challenge.contains("error"), "{what}: {challenge}");
    }
    let leaks = [KEY, &world.upstream.address.to_string()];
    assert!(
        leaks.iter().all(|leak| !answer.body.contains(leak)),
        "{what}: {}",
        answer.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_has_its_status_and_code() {
    let world = World::new().await;
    let all = world.client.token(&[
        ("grant_type", "client_credentials"),
        ("resource", "resource://items"),
        ("resource", "resource://slashes"),
        ("resource", "resource://dead"),
    ]);
    let all = all.await.json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let read = world.client.mint("resource://items", "items:read").await;
    let (all, read) = (&*all, &*read);
    let foreign_zone = "zone_018bcfe5-6800-7000-8000-000000000000";

    // (method, target, mandate, more headers, status, code)
    type Row<'a> = (&'a str, String, Option<&'a str>, &'a str, u16, &'a str);
    let row = |method, target: &str, mandate, status, code| -> Row<'_> {
        (method, target.to_owned(), mandate, "", status, code)
    };
    let mut table = vec![
        row("GET", "/r/items/a", None, 401, "mandate_missing"),
        row(
            "GET",
            "/r/items/a",
            Some("nonsense"),
            401,
            "mandate_invalid",
        ),
        row("GET", "/a", Some(all), 400, "resource_missing"),
        row("GET", "/r/unknown/a", Some(read), 404, "resource_unknown"),
        row("GET", "/r/Items/a", Some(read), 404, "resource_unknown"),
        row(
            "GET",
            "/r/slashes/files/a",
            Some(read),
            403,
            "resource_mismatch",
        ),
        row(
            "PUT",
            "/r/items/a",
            Some(read),
            403,
            "operation_not_declared",
        ),
        row(
            "GET",
            "/r/slashes/other",
            Some(all),
            403,
            "operation_not_declared",
        ),
        row("POST", "/r/items/a", Some(read), 403, "scope_missing"),
        row("DELETE", "/r/items/a", Some(read), 403, "policy_denied"),
        row("GET", "/r/dead/a", Some(all), 502, "upstream_unreachable"),
        row("GET", "/r/items/hang", Some(read), 504, "upstream_timeout"),
        row("GET", "/r/items/a%2Fb", Some(read), 400, "path_invalid"),
        row("GET", "/r/items/a%5cb", Some(read), 400, "path_invalid"),
    ];
    for path in [
        "/..",
        "/../items/a",
        "/.",
        "//a",
        "/a//b",
        "/a/../b",
        "/%2e%2e/b",
        "/%2E./b",
        "/a/%2e",
        "/a/.%2e/b",
        "/%252e%252e/b",
        "/a%252fb",
    ] {
        table.push(row(
            "GET",
            &format!("/r/items{path}"),
            Some(read),
            400,
            "path_invalid",
        ));
        table.push(row(
            "GET",
            &format!("/r/slashes/files{path}"),
            Some(all),
            400,
            "path_invalid",
        ));
    }
    table.push((
        "GET",
        format!("/zones/{foreign_zone}/r/items/a"),
        Some(read),
        "",
        403,
        "resource_mismatch",
    ));
    table.push((
        "GET",
        "/zones/refusals/r/items/a".to_owned(),
        Some(read),
        "",
        403,
        "resource_mismatch",
    ));
    // The order: a contradiction, then existence, then the mandate's audience.
    let items = "x-caracal-resource: resource://items\r\n";
    let unknown = "x-caracal-resource: resource://unknown\r\n";
    table.push((
        "GET",
        "/r/unknown/a".to_owned(),
        Some(read),
        items,
        403,
        "resource_mismatch",
    ));
    table.push((
        "GET",
        format!("/zones/{foreign_zone}/r/unknown/a"),
        Some(read),
        "",
        403,
        "resource_mismatch",
    ));
    table.push((
        "GET",
        "/a".to_owned(),
        Some(read),
        unknown,
        404,
        "resource_unknown",
    ));
    table.push((
        "GET",
        "/a".to_owned(),
        Some(read),
        "x-caracal-resource: items\r\n",
        404,
        "resource_unknown",
    ));
    table.push((
        "GET",
        "/a".to_owned(),
        Some(read),
        "x-caracal-resource: resource://slashes\r\n",
        403,
        "resource_mismatch",
    ));
    // Before any of that stands the mandate, and before the mandate the path.
    table.push((
        "GET",
        "/r/items/../b".to_owned(),
        None,
        "",
        400,
        "path_invalid",
    ));
    table.push((
        "GET",
        "/r/unknown/a".to_owned(),
        None,
        items,
        401,
        "mandate_missing",
    ));
    // The operation is asked before the scope, the scope before policy.
    table.push((
        "PATCH",
        "/r/items/a".to_owned(),
        Some(read),
        "",
        403,
        "scope_missing",
    ));
    // What is too large never begins to go upstream.
    table.push((
        "POST",
        "/r/items/a".to_owned(),
        Some(all),
        "content-length: 101\r\n",
        413,
        "body_too_large",
    ));
    for (method, target, mandate, more, status, code) in &table {
        let authorization = mandate
            .map(|m| format!("authorization: Bearer {m}\r\n"))
            .unwrap_or_default();
        let answer = world.raw(method, target, &format!("{authorization}{more}"));
        let what = format!("{method} {target} {more}");
        check(&world, &what, &answer, *status, code);
    }
    let seen = world.upstream.seen();
    let paths: Vec<_> = seen.iter().map(|r| r.uri.path().to_owned()).collect();
    assert_eq!(
        paths,
        ["/hang"],
        "only what was allowed reached the upstream"
    );

    // What was decided is in the ledger; anonymous traffic is not.
    let events = world.stack.events("refusals");
    let reasons: Vec<_> = events
        .iter()
        .filter(|e| e["type"] == "call.denied")
        .map(|e| e["reason"].as_str().unwrap())
        .collect();
    for code in [
        "resource_mismatch",
        "resource_unknown",
        "resource_missing",
        "operation_not_declared",
        "scope_missing",
        "policy_denied",
        "path_invalid",
    ] {
        assert!(reasons.contains(&code), "{code} is not in {reasons:?}");
    }
    assert!(!reasons.contains(&"mandate_missing") && !reasons.contains(&"mandate_invalid"));
    until("both failed calls have ended", async || {
        let events = world.stack.events("refusals");
        ["upstream_timeout", "upstream_unreachable"]
            .iter()
            .all(|reason| {
                events
                    .iter()
                    .any(|e| e["type"] == "call.finished" && e["reason"] == *reason)
            })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_refused_goes_upstream_as_it_was_matched() {
    let world = World::new().await;
    let slashes = world.client.mint("resource://slashes", "").await;
    let bearer = format!("authorization: Bearer {slashes}\r\n");
    let zone = &world.zone;
    let table = [
        ("/r/slashes/files/a%2Fb".to_owned(), "", "/base/files/a%2Fb"),
        ("/r/slashes/files/a%5Cb".to_owned(), "", "/base/files/a%5Cb"),
        (
            "/r/slashes/files/a%2541".to_owned(),
            "",
            "/base/files/a%2541",
        ),
        (
            format!("/zones/{zone}/r/slashes/files/x?q=%2F..&r"),
            "",
            "/base/files/x?q=%2F..&r",
        ),
        ("/files/whole".to_owned(), "", "/base/files/whole"),
        (
            "/files/whole".to_owned(),
            "x-caracal-resource: resource://slashes\r\n",
            "/base/files/whole",
        ),
    ];
    for (target, more, sent) in &table {
        let answer = world.raw("GET", target, &format!("{bearer}{more}"));
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
        let last = world.upstream.seen().pop().unwrap();
        assert_eq!(last.uri.to_string(), *sent, "{target}");
    }
    // HEAD counts as GET.
    let head = world
        .client
        .call("HEAD", "/r/slashes/files/a", &slashes)
        .await;
    assert_eq!(head.status, 200);
    assert_eq!(world.upstream.seen().pop().unwrap().method, "HEAD");
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_frozen_and_lost_credentials_are_told_apart() {
    let world = World::new().await;
    let get = async |mandate: &str| world.client.call("GET", "/r/items/a", mandate).await;
    let first = world.client.mint("resource://items", "items:read").await;
    world.stack.cli(&["revoke", "resource/items"]).ok();
    check(
        &world,
        "revoked",
        &get(&first).await,
        401,
        "mandate_revoked",
    );
    let revocations = world
        .stack
        .cli(&["revocation", "list", "--json"])
        .ok()
        .json();
    let id = revocations["items"][0]["id"].as_str().unwrap();
    world.stack.cli(&["revocation", "lift", id]).ok();
    check(&world, "lifted", &get(&first).await, 401, "mandate_revoked");
    let second = world.client.mint("resource://items", "items:read").await;
    assert_eq!(get(&second).await.status, 200);

    world.stack.cli(&["freeze", "--reason", "story"]).ok();
    check(&world, "frozen", &get(&second).await, 403, "zone_frozen");
    let refused = world.client.try_mint("resource://items", "").await;
    assert_eq!(
        (refused.status, refused.json()["error"].clone()),
        (403, "zone_frozen".into())
    );
    world.stack.cli(&["thaw"]).ok();
    check(
        &world,
        "thawed",
        &get(&second).await,
        401,
        "mandate_revoked",
    );

    let third = world.client.mint("resource://items", "items:read").await;
    assert_eq!(get(&third).await.status, 200);
    world.stack.cli(&["revoke", "provider/key"]).ok();
    let dead = get(&third).await;
    assert!(
        matches!(
            &*dead.refusal(),
            "mandate_revoked" | "credential_unavailable"
        ),
        "{}",
        dead.body
    );
    assert_eq!(world.upstream.seen().len(), 2);
}

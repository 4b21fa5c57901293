//! Operators over TCP and over the local socket.

use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::{Answer, Raw, RawUpstream, Stack, http};

fn zone_file(name: &str) -> String {
    format!(
        "zone: {name}\napplications: [{{ name: anton }}]\nproviders: [{{ name: p, kind: none }}]\n\
         resources: [{{ name: r, upstream: 'https://x.example', scopes: [s] }}]\n\
         policies: [{{ name: all, cedar: 'permit (principal, action, resource);' }}]\n"
    )
}

fn token(stack: &Stack, arguments: &[&str]) -> String {
    let arguments = [&["token", "create", "--json"], arguments].concat();
    stack.cli(&arguments).ok().json()["token"]
        .as_str()
        .unwrap()
        .to_owned()
}

struct Ask<'s> {
    stack: &'s Stack,
    token: String,
}

impl Ask<'_> {
    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = http().request(method, format!("{}{path}", self.stack.console));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        Answer::of(request.send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_have_a_zone_a_role_and_an_end() {
    let stack = Stack::start();
    for zone in ["acme", "other"] {
        stack.apply(&zone_file(zone));
    }
    let ask = |token: String| Ask {
        stack: &stack,
        token,
    };
    let viewer = ask(token(
        &stack,
        &["eye", "--role", "viewer", "--zone", "acme"],
    ));
    let admin = ask(token(
        &stack,
        &["hand", "--role", "admin", "--zone", "acme"],
    ));
    let owner = ask(token(&stack, &["head", "--role", "owner", "--all-zones"]));
    let brief = ask(token(
        &stack,
        &[
            "brief",
            "--role",
            "owner",
            "--all-zones",
            "--ttl-seconds",
            "1",
        ],
    ));
    let apps = "/v1/zones/acme/applications";
    let new = |name: &str| Some(json!({ "name": name }));

    let anonymous = ask(String::new()).get(apps).await;
    assert_eq!(
        (anonymous.status, anonymous.header("content-type")),
        (401, Some("application/problem+json"))
    );
    for wrong in [
        "nonsense",
        &viewer.token[..viewer.token.len() - 1],
        &format!("{}x", viewer.token),
    ] {
        assert_eq!(ask(wrong.to_owned()).get(apps).await.status, 401);
    }
    assert_eq!(viewer.get(apps).await.status, 200);
    assert_eq!(viewer.send("POST", apps, &[], new("a")).await.status, 403);
    assert_eq!(admin.send("POST", apps, &[], new("a")).await.status, 201);
    // Another zone does not exist for them, and is not listed.
    for asking in [&viewer, &admin] {
        let strange = asking.get("/v1/zones/other/applications").await;
        assert!(matches!(strange.status, 403 | 404), "{}", strange.status);
        let zones = asking.get("/v1/zones").await.json();
        assert_eq!(zones["items"].as_array().unwrap().len(), 1, "{zones}");
    }
    assert_eq!(
        admin
            .send("POST", "/v1/zones", &[], new("mine"))
            .await
            .status,
        403
    );
    assert_eq!(
        owner.get("/v1/zones").await.json()["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let higher = json!({ "name": "higher", "role": "owner" });
    assert_eq!(
        admin
            .send("POST", "/v1/zones/acme/tokens", &[], Some(higher))
            .await
            .status,
        403
    );

    // An end is an end: by time, or by deletion.
    crate::harness::until("the token has expired", async || {
        brief.get("/v1/zones").await.status == 401
    })
    .await;
    stack
        .cli(&["token", "delete", "hand", "--zone", "acme"])
        .ok();
    assert_eq!(admin.get(apps).await.status, 401);
    let events = stack.events("acme");
    let created = events
        .iter()
        .find(|e| e["type"] == "application.registered" && e["target_name"] == "a");
    assert!(created.unwrap()["operator"].is_string());
    let stored = std::fs::read(stack.file("state.db-wal")).unwrap_or_default();
    assert!(
        !stored
            .windows(owner.token.len())
            .any(|w| w == owner.token.as_bytes())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_can_be_repeated_and_made_conditional() {
    let stack = Stack::start();
    stack.apply(&zone_file("acme"));
    let owner = Ask {
        stack: &stack,
        token: token(&stack, &["head", "--role", "owner", "--all-zones"]),
    };
    let apps = "/v1/zones/acme/applications";
    let body = json!({ "name": "once" });
    let key = [("idempotency-key", "k-1")];
    let first = owner.send("POST", apps, &key, Some(body.clone())).await;
    let second = owner.send("POST", apps, &key, Some(body.clone())).await;
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(
        first.json(),
        second.json(),
        "the same answer, secret and all"
    );
    let other = owner
        .send("POST", apps, &key, Some(json!({ "name": "twice" })))
        .await;
    assert!((400..500).contains(&other.status), "{}", other.body);
    assert_eq!(owner.send("POST", apps, &[], Some(body)).await.status, 409);

    let path = format!("{apps}/once");
    let shown = owner.get(&path).await;
    let version = shown.json()["version"].as_u64().unwrap();
    let change = json!({ "name": "once", "labels": ["a"] });
    let stale = owner
        .send(
            "PUT",
            &path,
            &[("if-match", "\"99\"")],
            Some(change.clone()),
        )
        .await;
    assert_eq!(stale.status, 412, "{}", stale.body);
    let dry = owner
        .send(
            "PUT",
            &format!("{path}?dry_run=true"),
            &[],
            Some(change.clone()),
        )
        .await;
    assert_eq!(dry.status, 200);
    assert_eq!(owner.get(&path).await.json()["version"], version);
    let tag = format!("\"{version}\"");
    assert_eq!(
        owner
            .send("PUT", &path, &[("if-match", &tag)], Some(change.clone()))
            .await
            .status,
        200
    );
    assert_eq!(
        owner
            .send("PUT", &path, &[("if-match", &tag)], Some(change))
            .await
            .status,
        412
    );
    assert_eq!(
        owner
            .send("DELETE", &path, &[("if-match", "\"1\"")], None)
            .await
            .status,
        412
    );
    assert_eq!(owner.send("DELETE", &path, &[], None).await.status, 204);
    assert_eq!(owner.get(&path).await.status, 404);

    // Pages lead through the list without loss.
    for i in 0..5 {
        owner
            .send("POST", apps, &[], Some(json!({ "name": format!("a-{i}") })))
            .await;
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = owner.get(&format!("{apps}?limit=2{cursor}")).await.json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        names.extend(items.iter().map(|i| i["name"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["a-0", "a-1", "a-2", "a-3", "a-4", "anton"]);
    for bad in ["?limit=0x", "?limit=-1", "?cursor=nonsense", "?nonsense=1"] {
        let answer = owner.get(&format!("{apps}{bad}")).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (400, Some("application/problem+json")),
            "{bad}"
        );
    }
    let field = owner
        .send("POST", apps, &[], Some(json!({ "name": "Ä" })))
        .await;
    assert_eq!(
        (field.status, &field.json()["errors"][0]["field"]),
        (422.min(field.status), &"name".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn web_pages_and_other_names_are_refused() {
    let stack = Stack::start();
    stack.apply(&zone_file("acme"));
    let owner = Ask {
        stack: &stack,
        token: token(&stack, &["head", "--role", "owner", "--all-zones"]),
    };
    for origin in ["http://evil.example", "null", &stack.gateway] {
        let refused = owner
            .send("GET", "/v1/zones", &[("origin", origin)], None)
            .await;
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (403, &"origin_refused".into())
        );
        assert_eq!(refused.header("access-control-allow-origin"), None);
    }
    for host in ["evil.example", "localhost"] {
        let refused = owner
            .send("GET", "/v1/zones", &[("host", host)], None)
            .await;
        assert_eq!(refused.status, 421, "{host}");
    }
    // The page at the console's address names the command line.
    let page = Ask {
        stack: &stack,
        token: String::new(),
    }
    .get("/")
    .await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("caracal"), "{}", page.body);
}

#[test]
fn the_local_socket_is_for_its_owner() {
    let stack = Stack::start();
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&stack.home), 0o700);
    let socket = stack.file("caracal.sock");
    assert!(std::fs::metadata(&socket).unwrap().file_type().is_socket());
    assert_eq!(mode(&socket), 0o600);
    for entry in std::fs::read_dir(&stack.home).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(
            mode(&path) & 0o077,
            0,
            "{} is open to others",
            path.display()
        );
    }
}

/// Methods and paths.
type Seen = Arc<Mutex<BTreeSet<(String, String)>>>;

/// A relay to the control API that notes what is asked.
fn recorder(console: String) -> (RawUpstream, Seen) {
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let relay = RawUpstream::start(move |mut peer| {
        while let Some(head) = peer.find_head() {
            let body = peer.body(&head);
            let mut words = head.first.split(' ');
            let (method, target) = (words.next().unwrap(), words.next().unwrap());
            let path = target.split('?').next().unwrap();
            notes
                .lock()
                .unwrap()
                .insert((method.to_owned(), path.to_owned()));
            let host = console.strip_prefix("http://").unwrap();
            let kept = head.headers.iter().filter(|(n, _)| {
                !matches!(n.as_str(), "host" | "content-length" | "transfer-encoding")
            });
            let headers: String = kept.map(|(n, v)| format!("{n}: {v}\r\n")).collect();
            let mut server = Raw::connect(&console);
            server.send(format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()));
            let head = server.head();
            let body = server.body(&head);
            let kind = head.get("content-type").unwrap_or("text/plain");
            let length = if head.status() == 204 {
                String::new()
            } else {
                format!("content-length: {}\r\n", body.len())
            };
            if peer
                .try_send(format!(
                    "{}\r\ncontent-type: {kind}\r\n{length}\r\n{body}",
                    head.first
                ))
                .is_err()
            {
                return;
            }
        }
    });
    (relay, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_every_path_that_the_command_line_uses() {
    let mut stack = Stack::start();
    let owner = token(&stack, &["head", "--role", "owner", "--all-zones"]);
    let document = Ask {
        stack: &stack,
        token: owner.clone(),
    }
    .get("/v1/openapi.json")
    .await;
    assert_eq!(document.status, 200, "{}", document.body);
    let document = document.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));

    let (relay, seen) = recorder(stack.console.clone());
    stack.set("CARACAL_API_URL", &relay.url());
    stack.set("CARACAL_API_TOKEN", &owner);
    stack.apply(&zone_file("acme"));
    stack
        .cli_with(&["policy", "check", "-f", "-"], &zone_file("acme"))
        .ok();
    let lists = [
        &["zone", "list"][..],
        &["app", "list"],
        &["resource", "list"],
        &["provider", "list"],
        &["policy", "list"],
        &["policy", "history"],
        &["token", "list"],
        &["token", "list", "--all-zones"],
        &["revocation", "list"],
        &["audit", "list"],
        &["zone", "show"],
        &["app", "show", "anton"],
        &["resource", "show", "r"],
        &["provider", "show", "p"],
        &["policy", "show", "all"],
        &["policy", "explain", "anton", "r", "s"],
        &["export"],
        &["app", "create", "b"],
        &["zone", "create", "second"],
        &["token", "create", "t", "--role", "viewer", "--zone", "acme"],
        &["token", "delete", "t", "--zone", "acme"],
    ];
    for (i, arguments) in lists.iter().enumerate() {
        let mut arguments = arguments.to_vec();
        if i < 17 || arguments[0] == "app" {
            arguments.extend(["--zone", "acme"]);
        }
        stack.cli(&arguments).ok();
    }
    let directory = stack.beside().join("export");
    let acme = |arguments: &[&str]| stack.cli(&[arguments, &["--zone", "acme"]].concat()).ok();
    acme(&["audit", "export", directory.to_str().unwrap()]);
    acme(&["audit", "verify"]);
    let event = acme(&["audit", "list", "--json", "--limit", "1"])
        .json_lines()
        .remove(0);
    acme(&["audit", "explain", event["id"].as_str().unwrap()]);
    let revoked = acme(&["revoke", "app/b", "--json"]).json();
    acme(&["revocation", "lift", revoked["id"].as_str().unwrap()]);
    acme(&["freeze"]);
    acme(&["thaw"]);
    let version = acme(&["policy", "history", "--json"]).json()["items"][0]["version"].clone();
    acme(&["policy", "activate", version.as_str().unwrap()]);
    acme(&["resource", "delete", "r"]);
    acme(&["provider", "delete", "p"]);
    acme(&["app", "delete", "b"]);

    let seen = seen.lock().unwrap();
    assert!(seen.len() > 25, "{seen:?}");
    let paths = document["paths"].as_object().unwrap();
    for (method, path) in seen.iter() {
        let named = paths.iter().any(|(template, operations)| {
            operations.get(method.to_lowercase()).is_some() && matches(template, path)
        });
        assert!(named, "{method} {path} is not in the document");
    }
}

fn matches(template: &str, path: &str) -> bool {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            // A last parameter may hold the rest.
            (Some(t), Some(_)) if t.starts_with("{*") => return true,
            (Some(t), Some(p)) if t == p || t.starts_with('{') => {}
            _ => return false,
        }
    }
}

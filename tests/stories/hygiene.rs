//! What never passes, in both directions, on the real wire.

use std::sync::{Arc, Mutex};

use crate::harness::{Client, Head, Raw, RawUpstream, Stack};

const SECRET: &str = "canary-7c1e";

type Seen = Arc<Mutex<Vec<(Head, String)>>>;

/// Answers every request with these headers, and notes the requests.
fn upstream(answer: &'static str) -> (RawUpstream, Seen) {
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let upstream = RawUpstream::start(move |mut peer| {
        while let Some(head) = peer.find_head() {
            let body = peer.body(&head);
            notes.lock().unwrap().push((head, body));
            peer.send(answer);
        }
    });
    (upstream, seen)
}

fn open(upstream: &RawUpstream, provider: &str, more: &str) -> (Stack, Client) {
    let mut stack = Stack::start();
    stack.set("STORY_KEY", SECRET);
    let applied = stack.apply(&format!(
        r#"
zone: hygiene
applications: [{{ name: anton }}]
providers:
  - {{ name: key, {provider}, secret: {{ from_env: STORY_KEY }} }}
resources:
  - name: items
    upstream: {}
    provider: key
    allow_private: true
    scopes: [items:use]
    operations: [{{ method: "*", path: "/**", scope: items:use }}]
{more}
policies:
  - {{ name: all, cedar: "permit (principal, action, resource);" }}
"#,
        upstream.url()
    ));
    let client = stack.client(&applied, "anton");
    (stack, client)
}

fn exchange(stack: &Stack, request: &str) -> (Head, String) {
    let mut raw = Raw::connect(&stack.gateway);
    raw.send(request);
    let head = raw.head();
    let body = raw.body(&head);
    (head, body)
}

const PLAIN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_could_make_up_does_not_go_upstream() {
    let (upstream, seen) = upstream(PLAIN);
    let (stack, client) = open(&upstream, "kind: api_key, header: X-Upstream-Key", "");
    let mandate = client.mint("resource://items", "").await;
    let dropped = [
        "x-upstream-key: mine",
        "X-UPSTREAM-KEY: mine",
        "dpop: x",
        "x-caracal-resource: resource://items",
        "X-Caracal-Approval: apr_1",
        "forwarded: for=1.2.3.4",
        "x-forwarded-for: 1.2.3.4",
        "X-Forwarded-Host: evil",
        "x-http-method: DELETE",
        "X-HTTP-Method-Override: DELETE",
        "x-method-override: DELETE",
        "x-original-url: /admin",
        "x-rewrite-url: /admin",
        "cookie: session=1",
        "connection: keep-alive, X-Named",
        "x-named: 1",
        "keep-alive: 5",
        "te: trailers",
        "proxy-authorization: Basic eDp5",
        "proxy-connection: keep-alive",
    ];
    let kept = [
        "x-own: 1",
        "accept: a/b",
        "user-agent: story",
        "x-empty:",
        "accept-encoding: br",
    ];
    let headers: String = dropped
        .iter()
        .chain(&kept)
        .map(|h| format!("{h}\r\n"))
        .collect();
    let request = format!(
        "POST /r/items/a HTTP/1.1\r\nhost: evil.example\r\nauthorization: Bearer {mandate}\r\n{headers}content-length: 4\r\n\r\nbody"
    );
    let (head, body) = exchange(&stack, &request);
    assert_eq!((head.status(), &*body), (200, "ok"));

    let (sent, body) = seen.lock().unwrap().pop().unwrap();
    assert_eq!((&*sent.first, &*body), ("POST /a HTTP/1.1", "body"));
    let authority = upstream.url().replace("http://", "");
    let mut headers = sent.headers.clone();
    headers.sort();
    let expected = [
        ("accept", "a/b"),
        ("accept-encoding", "br"),
        ("content-length", "4"),
        ("host", &authority),
        ("user-agent", "story"),
        ("x-empty", ""),
        ("x-own", "1"),
        ("x-upstream-key", SECRET),
    ];
    assert_eq!(headers, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_does_not_speak_for_the_gateway() {
    let (upstream, _) = upstream(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nCaracal-Receipt: forged\r\ncaracal-refusal: 1\r\n\
         Caracal-Request-Id: forged\r\nset-cookie: a=1\r\nalt-svc: h3\r\nstrict-transport-security: max-age=1\r\n\
         clear-site-data: *\r\nreport-to: {}\r\nnel: {}\r\naccess-control-allow-origin: *\r\n\
         connection: X-Named\r\nx-named: 1\r\nkeep-alive: timeout=5\r\nx-own: 1\r\netag: \"1\"\r\n\r\nok",
    );
    let (stack, client) = open(&upstream, "kind: bearer", "");
    let mandate = client.mint("resource://items", "").await;
    let (head, body) = exchange(
        &stack,
        &format!("GET /r/items/a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {mandate}\r\n\r\n"),
    );
    assert_eq!((head.status(), &*body), (200, "ok"));
    let mut names: Vec<_> = head.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "caracal-receipt",
            "caracal-request-id",
            "content-length",
            "date",
            "etag",
            "x-own"
        ]
    );
    assert!(head.get("caracal-request-id").unwrap().starts_with("req_"));
    let receipt = head.get("caracal-receipt").unwrap();
    assert!(
        receipt.starts_with("log=\"log_")
            && receipt.contains("; index=")
            && receipt.contains("; leaf="),
        "{receipt}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slots_of_a_provider_are_its_own() {
    // (provider, what the client tries, target upstream, header that carries the secret)
    let basic = "authorization: Basic dXNlcjpjYW5hcnktN2MxZQ==";
    let table = [
        (
            "kind: api_key, query: key",
            "a?key=mine&k%65y=mine&KEY=mine&q=1",
            format!("/a?q=1&key={SECRET}"),
            None,
        ),
        (
            "kind: basic, username: user",
            "a?q=1",
            "/a?q=1".to_owned(),
            Some(basic.to_owned()),
        ),
        (
            "kind: api_key, header: Authorization, prefix: \"Token \"",
            "a",
            "/a".to_owned(),
            Some(format!("authorization: Token {SECRET}")),
        ),
    ];
    for (provider, target, sent, header) in table {
        let (upstream, seen) = upstream(PLAIN);
        let (stack, client) = open(&upstream, provider, "");
        let mandate = client.mint("resource://items", "").await;
        let answer = client
            .call("GET", &format!("/r/items/{target}"), &mandate)
            .await;
        assert_eq!(answer.status, 200, "{provider}: {}", answer.body);
        let (head, _) = seen.lock().unwrap().pop().unwrap();
        assert_eq!(head.first, format!("GET {sent} HTTP/1.1"), "{provider}");
        let carried = head
            .get("authorization")
            .map(|v| format!("authorization: {v}"));
        assert_eq!(carried, header, "{provider}");
        // The secret is not in what an operator or a reader of logs sees.
        for arguments in [
            ["provider", "show", "key", "--json"],
            ["audit", "list", "--json", "--limit=1000"],
        ] {
            assert!(!stack.cli(&arguments).ok().stdout.contains(SECRET));
        }
        assert!(!stack.cli(&["logs"]).ok().stdout.contains(SECRET));
        for entry in std::fs::read_dir(&stack.home).unwrap() {
            let name = entry.unwrap().path();
            let bytes = std::fs::read(&name).unwrap_or_default();
            assert!(
                !bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes()),
                "{}",
                name.display()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_pass_only_where_the_resource_says_so() {
    let (upstream, seen) =
        upstream("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nset-cookie: a=1\r\n\r\nok");
    let (stack, client) = open(&upstream, "kind: bearer", "    cookies: pass");
    let mandate = client.mint("resource://items", "").await;
    let request = client
        .request("GET", "/r/items/a", &mandate)
        .header("cookie", "b=2");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["set-cookie"], "a=1");
    assert_eq!(seen.lock().unwrap()[0].0.get("cookie"), Some("b=2"));
    drop(stack);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_two_readers_could_read_differently_are_refused() {
    let (upstream, seen) = upstream(PLAIN);
    let (stack, client) = open(&upstream, "kind: bearer", "");
    let mandate = client.mint("resource://items", "").await;
    let auth = format!("host: x\r\nauthorization: Bearer {mandate}\r\n");
    let bad = [
        format!("GET http://127.0.0.1:1/r/items/a HTTP/1.1\r\n{auth}\r\n"),
        format!("CONNECT evil.example:443 HTTP/1.1\r\n{auth}\r\n"),
        format!("TRACE /r/items/a HTTP/1.1\r\n{auth}\r\n"),
        format!(
            "POST /r/items/a HTTP/1.1\r\n{auth}content-length: 4\r\ncontent-length: 5\r\n\r\nbody"
        ),
        format!(
            "POST /r/items/a HTTP/1.1\r\n{auth}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
        ),
        format!("GET /r/items/a HTTP/1.1\r\n{auth}host: y\r\n\r\n"),
        format!("GET /r/items/a HTTP/1.1\r\n{auth}authorization: Bearer {mandate}\r\n\r\n"),
        format!("GET /r/items/a HTTP/1.1\r\n{auth}bad header: 1\r\n\r\n"),
        format!("GET /r/items/a HTTP/1.1\r\nauthorization: Bearer {mandate}\r\n\r\n"),
        format!("GET /r/items/a b HTTP/1.1\r\n{auth}\r\n"),
        format!(
            "GET /r/items/a HTTP/1.1\r\n{auth}connection: upgrade\r\nupgrade: websocket\r\n\r\n"
        ),
        "\0\0\0\0\r\n\r\n".to_owned(),
    ];
    for request in &bad {
        let mut raw = Raw::connect(&stack.gateway);
        raw.send(request);
        let status = raw.find_head().map_or(400, |head| head.status());
        assert!((400..600).contains(&status), "{request}: {status}");
    }
    assert!(seen.lock().unwrap().is_empty());

    // A length beside chunks does not count (RFC 9112, section 6.3), and goes no further.
    let mut raw = Raw::connect(&stack.gateway);
    raw.send(format!(
        "POST /r/items/a HTTP/1.1\r\n{auth}content-length: 40\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
    ));
    assert_eq!(raw.head().status(), 200);
    let (head, body) = seen.lock().unwrap().pop().unwrap();
    assert_eq!((head.get("content-length"), &*body), (None, "body"));
}

//! Bytes pass as they come, both ways, and a revocation cuts what is under way.

use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::harness::{Client, Head, Raw, RawUpstream, Stack, claims, until};

const SSE: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

async fn open(upstream: &RawUpstream) -> (Stack, Client) {
    let stack = Stack::start();
    let applied = stack.apply(&format!(
        r#"
zone: streams
applications: [{{ name: anton }}]
resources:
  - name: feed
    upstream: {}
    allow_private: true
    scopes: [feed:use]
    operations:
      - {{ method: GET, path: "/**", scope: feed:use }}
      - {{ method: POST, path: "/**", scope: feed:use }}
policies:
  - name: all
    cedar: permit (principal, action, resource);
"#,
        upstream.url()
    ));
    let client = stack.client(&applied, "anton");
    (stack, client)
}

/// A stream that one test controls from outside.
fn remote_stream() -> (RawUpstream, mpsc::Sender<&'static str>) {
    let (sender, receiver) = mpsc::channel::<&str>();
    let receiver = Mutex::new(receiver);
    let upstream = RawUpstream::start(move |mut peer| {
        if peer.find_head().is_none() {
            return;
        }
        peer.send(SSE);
        let receiver = receiver.lock().unwrap();
        while let Ok(text) = receiver.recv() {
            peer.send_chunk(text);
            if text.is_empty() {
                return;
            }
        }
    });
    (upstream, sender)
}

fn get(stack: &Stack, mandate: &str, path: &str) -> (Raw, Head) {
    let mut raw = Raw::connect(&stack.gateway);
    raw.send(format!(
        "GET /r/feed{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {mandate}\r\n\r\n"
    ));
    let head = raw.head();
    (raw, head)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_one_by_one() {
    let (upstream, remote) = remote_stream();
    let (stack, client) = open(&upstream).await;
    let mandate = client.mint("resource://feed", "").await;
    let (mut raw, head) = get(&stack, &mandate, "/events");
    assert_eq!(head.status(), 200);
    assert_eq!(head.get("content-type"), Some("text/event-stream"));
    for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        // The next one is sent only when this one was read.
        remote.send(event).unwrap();
        assert_eq!(raw.chunk().unwrap().as_deref(), Some(event));
    }
    remote.send("").unwrap();
    assert_eq!(raw.chunk().unwrap(), None);
    until("the end is in the ledger", async || {
        let events = stack.events("streams");
        events
            .iter()
            .any(|e| e["type"] == "call.finished" && e["status"] == 200)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_and_its_answer_pass_at_the_same_time() {
    let upstream = RawUpstream::start(|mut peer| {
        let Some(head) = peer.find_head() else { return };
        assert_eq!(head.get("transfer-encoding"), Some("chunked"));
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        while let Ok(Some(chunk)) = peer.chunk() {
            peer.send_chunk(&chunk.to_uppercase());
        }
        peer.send_chunk("");
    });
    let (stack, client) = open(&upstream).await;
    let mandate = client.mint("resource://feed", "").await;
    let mut raw = Raw::connect(&stack.gateway);
    raw.send(format!(
        "POST /r/feed/echo HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {mandate}\r\ntransfer-encoding: chunked\r\n\r\n"
    ));
    raw.send_chunk("one");
    let head = raw.head();
    assert_eq!(head.status(), 200);
    assert_eq!(raw.chunk().unwrap().as_deref(), Some("ONE"));
    for (sent, got) in [("two", "TWO"), ("three", "THREE")] {
        raw.send_chunk(sent);
        assert_eq!(raw.chunk().unwrap().as_deref(), Some(got));
    }
    raw.send_chunk("");
    assert_eq!(raw.chunk().unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_cuts_running_and_idle_streams_and_no_others() {
    let (hold, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let upstream = RawUpstream::start(move |mut peer| {
        let Some(head) = peer.find_head() else { return };
        peer.send(SSE);
        peer.send_chunk("data: 0\n\n");
        if head.first.contains("/idle") || head.first.contains("/other") {
            // Until the story lets go.
            let _ = released.lock().unwrap().recv();
            peer.send_chunk("");
            return;
        }
        // Until the other side ends it.
        while peer.try_send("9\r\ndata: x\n\n\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let (stack, client) = open(&upstream).await;
    let mandate = client.mint("resource://feed", "").await;
    let other = client.mint("resource://feed", "").await;

    let (mut running, _) = get(&stack, &mandate, "/running");
    let (mut idle, _) = get(&stack, &mandate, "/idle");
    let (mut unrelated, _) = get(&stack, &other, "/other");
    for raw in [&mut running, &mut idle, &mut unrelated] {
        assert_eq!(raw.chunk().unwrap().as_deref(), Some("data: 0\n\n"));
    }

    let jti = claims(&mandate)["jti"].as_str().unwrap().to_owned();
    let begun = Instant::now();
    let receipt = stack.cli(&["revoke", &jti, "--json"]).ok().json();
    assert_eq!(receipt["streams_cut"], 2, "{receipt}");
    assert_eq!(receipt["confirmed_by"].as_array().unwrap().len(), 1);

    // Neither ends with the final chunk.
    assert!(idle.chunk().is_err());
    let cut = loop {
        match running.chunk() {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert!(cut.is_err(), "the stream ended as if it were whole");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );

    drop(hold);
    assert_eq!(unrelated.chunk().unwrap(), None);
    let denied = client.call("GET", "/r/feed/again", &mandate).await;
    assert_eq!(denied.refusal(), "mandate_revoked");
    until("every end is in the ledger", async || {
        let events = stack.events("streams");
        let ends = events.iter().filter(|e| e["type"] == "call.finished");
        let cut = ends.clone().filter(|e| e["reason"] == "mandate_revoked");
        ends.count() == 3 && cut.count() == 2
    })
    .await;
}

const PERMITTED: &str = r#"
zone: streams
policies:
  - name: all
    cedar: |
      permit (principal, action, resource) when { context.request.path == "/kept" };
"#;

/// Activating a policy decides open streams again: what it denies now is cut, an idle one too.
#[tokio::test(flavor = "multi_thread")]
async fn an_activation_cuts_the_streams_that_it_denies_and_no_others() {
    let (hold, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let upstream = RawUpstream::start(move |mut peer| {
        if peer.find_head().is_none() {
            return;
        }
        peer.send(SSE);
        peer.send_chunk("data: 0\n\n");
        // Until the story lets go.
        let _ = released.lock().unwrap().recv();
        peer.send_chunk("");
    });
    let (stack, client) = open(&upstream).await;
    let mandate = client.mint("resource://feed", "").await;
    let (mut kept, _) = get(&stack, &mandate, "/kept");
    let (mut denied, _) = get(&stack, &mandate, "/denied");
    for raw in [&mut kept, &mut denied] {
        assert_eq!(raw.chunk().unwrap().as_deref(), Some("data: 0\n\n"));
    }
    let begun = Instant::now();
    stack.apply(PERMITTED);
    assert!(
        denied.chunk().is_err(),
        "the stream ended as if it were whole"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    until("the cut is in the ledger with its reason", async || {
        let events = stack.events("streams");
        let cut = |e: &&serde_json::Value| e["reason"] == "policy_denied";
        let ends = events.iter().filter(|e| e["type"] == "call.finished");
        ends.filter(cut).count() == 1
    })
    .await;
    drop(hold);
    assert_eq!(kept.chunk().unwrap(), None, "a permitted stream was cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_library_sees_a_cut_stream_as_an_error() {
    let (upstream, remote) = remote_stream();
    let (stack, client) = open(&upstream).await;
    let mandate = client.mint("resource://feed", "").await;
    let request = client.request("GET", "/r/feed/events", &mandate);
    let mut response = request.send().await.unwrap();
    remote.send("data: 1\n\n").unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "data: 1\n\n");
    let receipt = stack
        .cli(&["revoke", "app/anton", "--reason", "story", "--json"])
        .ok()
        .json();
    assert_eq!(receipt["streams_cut"], 1);
    assert!(response.chunk().await.is_err());
    let refused = client.try_mint("resource://feed", "").await;
    assert_eq!(
        (refused.status, refused.json()["error"].clone()),
        (403, "access_denied".into())
    );
}

//! A trace that a client is part of goes on upstream, and evidence and log name it.

use crate::harness::{Protected, Stack};

const ID: &str = "0af7651916cd43dd8448eb211c80319c";

fn parent() -> String {
    format!("00-{ID}-b7ad6b7169203331-01")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valid_trace_goes_on_and_an_invalid_one_goes_nowhere() {
    let story = Protected::on(Stack::new()).await;
    let mandate = story.mint().await;
    let call = async |method, headers: &[(&str, &str)]| {
        let mut request = story.client.request(method, "/r/items/1", &mandate);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let id = answer.headers()["caracal-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        (answer.status().as_u16(), id)
    };
    let parent = parent();
    let upper = parent.to_uppercase();
    for (given, state, passes) in [
        (Some(&*parent), Some("vendor=1"), true),
        (Some(&*parent), None, true),
        (Some("00-0-0-01"), Some("vendor=1"), false),
        (Some(&*upper), None, false),
        (None, Some("vendor=1"), false),
        (None, None, false),
    ] {
        let headers: Vec<_> = [("traceparent", given), ("tracestate", state)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let (status, id) = call("GET", &headers).await;
        assert_eq!(status, 200);
        let seen = story.upstream.seen().pop().unwrap();
        let header = |name: &str| seen.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("traceparent"), given.filter(|_| passes));
        assert_eq!(header("tracestate"), state.filter(|_| passes));
        let events = story.stack.events("acme");
        let own: Vec<_> = events.iter().filter(|e| e["request_id"] == *id).collect();
        assert_eq!(own[0]["type"], "call.started");
        for event in own {
            assert_eq!(event["trace_id"].as_str(), passes.then_some(ID), "{event}");
        }
    }
    let (status, id) = call("DELETE", &[("traceparent", &parent)]).await;
    assert_eq!(status, 403);
    let events = story.stack.events("acme");
    let denied = events.iter().find(|e| e["request_id"] == *id).unwrap();
    assert_eq!(
        (&denied["type"], &denied["trace_id"]),
        (&"call.denied".into(), &ID.into())
    );
    let verified = story.stack.cli(&["audit", "verify", "--json"]).ok().json();
    assert_eq!(verified["ok"], true);
    // What is logged is in the file when the server has stopped.
    story.stack.cli(&["down"]).ok();
    let log = std::fs::read_to_string(story.stack.file("log/caracal.log")).unwrap();
    let line = log.lines().find(|line| line.contains(&id)).unwrap();
    assert!(
        line.contains(ID) && line.contains("scope_missing"),
        "{line}"
    );
}

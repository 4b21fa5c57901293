//! The log says what happened and never what was in it, however much of it is written.

use serde_json::Value;

use crate::harness::{Client, KEY, Protected, Stack, http};

/// What every planted secret has in it.
const CANARY: &str = "cAnArY";

fn canary(what: &str) -> String {
    format!("{CANARY}{what}")
}

fn lines(stack: &Stack) -> Vec<Value> {
    let log = std::fs::read_to_string(stack.file("log/caracal.log")).unwrap();
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    log.lines().map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_clients_send_is_in_the_log() {
    let mut stack = Stack::new();
    for (name, value) in [
        ("CARACAL_LOG", "trace"),
        ("CARACAL_LOG_FORMAT", "json"),
        ("CARACAL_ACCESS_LOG", "all"),
    ] {
        stack.set(name, value);
    }
    let story = Protected::on(stack).await;
    let (stack, client) = (&story.stack, &story.client);
    let token = stack
        .cli(&["token", "create", "ci", "--role", "owner", "--json"])
        .ok()
        .json();
    let token = token["token"].as_str().unwrap().to_owned();
    let mandate = story.mint().await;
    let path = format!(
        "/r/items/{}?{}={}",
        canary("path"),
        canary("name"),
        canary("value")
    );
    for (method, path) in [
        ("GET", &*path),
        ("POST", &*path),
        (&*canary("method"), &*path),
        ("GET", &format!("/r/{}/1", canary("resource"))),
        ("GET", &format!("/zones/{0}/r/{0}/1", canary("zone"))),
        ("GET", &format!("/r/items/{mandate}?access_token={mandate}")),
    ] {
        let request = client
            .request(method, path, &mandate)
            .header("x-secret", canary("header"))
            .header("cookie", canary("cookie"))
            .header("traceparent", canary("traceparent"))
            .header("caracal-request-id", canary("request"))
            .header("x-forwarded-for", canary("forwarded"))
            .body(canary("body"));
        request.send().await.unwrap();
    }
    client.call("GET", "/r/items/1", &canary("mandate")).await;
    client.try_mint(&canary("resource"), &canary("scope")).await;
    Client::new(stack, &client.id, &canary("secret"))
        .try_mint("resource://items", "")
        .await;
    Client::new(stack, &canary("id"), &canary("secret"))
        .try_mint("resource://items", "")
        .await;
    let (sts, console) = (&stack.sts, &stack.console);
    for url in [
        format!("{sts}/{}", canary("path")),
        format!("{sts}/zones/{}/jwks.json", canary("zone")),
        format!("{console}/{}", canary("path")),
        format!(
            "{console}/v1/zones/{}?limit={}",
            canary("zone"),
            canary("limit")
        ),
        format!("{console}/v1/zones/acme/events?cursor={}", canary("cursor")),
    ] {
        for bearer in [&token, &canary("token")] {
            http().get(&url).bearer_auth(bearer).send().await.unwrap();
        }
    }
    // What is logged is in the file when the server has stopped.
    stack.cli(&["down"]).ok();
    let log = std::fs::read_to_string(stack.file("log/caracal.log")).unwrap();
    let secret_part = |text: &str| text.rsplit('.').next().unwrap().to_owned();
    for secret in [
        CANARY.to_owned(),
        KEY.to_owned(),
        client.secret.clone(),
        secret_part(&client.secret),
        secret_part(&token),
        secret_part(&mandate),
    ] {
        let found = log.lines().find(|line| line.contains(&secret));
        assert_eq!(found, None, "`{secret}`");
    }
    let mut doors = std::collections::BTreeSet::new();
    for line in lines(stack) {
        assert!(
            line["timestamp"].is_string() && line["message"].is_string(),
            "{line}"
        );
        let target = line["target"].as_str().unwrap();
        if ["caracal::refused", "caracal::access"].contains(&target) {
            assert!(
                line["request_id"].as_str().unwrap().starts_with("req_"),
                "{line}"
            );
            assert!(
                line["status"].is_u64() && line["took_ms"].is_u64(),
                "{line}"
            );
            let is_refused = target == "caracal::refused";
            assert_eq!(line["code"].is_string(), is_refused, "{line}");
            doors.insert((line["door"].as_str().unwrap().to_owned(), is_refused));
        }
    }
    let both = |door: &str| [false, true].map(|refused| (door.to_owned(), refused));
    let all = ["sts", "gateway", "console"].map(both).concat();
    assert_eq!(doors, all.into_iter().collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_for_each_refusal_unless_that_is_switched_off() {
    for (which, refusals, others) in [("off", 0, 0), ("refusals", 1, 0), ("all", 1, 1)] {
        let mut stack = Stack::new();
        stack.set("CARACAL_LOG_FORMAT", "json");
        stack.set("CARACAL_ACCESS_LOG", which);
        stack.up();
        let gateway = &stack.gateway;
        http().get(format!("{gateway}/r/x/1")).send().await.unwrap();
        stack.cli(&["down"]).ok();
        let of = |target: &str| {
            let lines = lines(&stack);
            let own = |line: &&Value| line["target"] == target && line["door"] == "gateway";
            lines.iter().filter(own).count()
        };
        assert_eq!(of("caracal::refused"), refusals, "{which}");
        // The command line has asked the door whether it is ready.
        assert_eq!(of("caracal::access").min(1), others, "{which}");
    }
}

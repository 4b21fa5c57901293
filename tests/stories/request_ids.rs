//! Every answer of every door names its request, whatever it says.

use std::collections::BTreeSet;

use reqwest::Method;

use crate::harness::{Answer, Protected, Upstream, http};

/// A request, and the status of its answer.
struct Case {
    method: &'static str,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: &'static str,
    status: u16,
}

fn case(status: u16, method: &'static str, url: String) -> Case {
    Case {
        method,
        url,
        headers: Vec::new(),
        body: "",
        status,
    }
}

impl Case {
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn body(mut self, body: &'static str) -> Self {
        self.body = body;
        self
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_names_its_request() {
    let story = Protected::start().await;
    let (stack, client) = (&story.stack, &story.client);
    let gone = Upstream::start().await;
    let file = Protected::zone_file("acme", &gone).replace("name: items", "name: gone");
    let file = file.replace(&gone.url(), "http://127.0.0.1:9");
    let file = file.replace("resource://items", "resource://gone");
    stack.apply(&file.replace("read-only", "gone-too"));
    let mandate = format!("Bearer {}", story.mint().await);
    let lost = format!(
        "Bearer {}",
        client.mint("resource://gone", "items:read").await
    );
    let (sts, gateway, console) = (&stack.sts, &stack.gateway, &stack.console);
    let form = "application/x-www-form-urlencoded";
    let cases = [
        case(200, "GET", format!("{sts}/health")),
        case(200, "GET", format!("{sts}/ready")),
        case(200, "GET", format!("{sts}/metrics")),
        case(404, "GET", format!("{sts}/nothing")),
        case(404, "GET", format!("{sts}/zones/x/jwks.json")),
        case(404, "GET", format!("{sts}/.well-known/jwks.json")),
        case(405, "GET", format!("{sts}/oauth/2/token")),
        case(415, "POST", format!("{sts}/oauth/2/token")),
        case(401, "POST", format!("{sts}/oauth/2/token"))
            .with("content-type", form)
            .with("authorization", "Basic YTpi")
            .body("grant_type=client_credentials"),
        case(401, "POST", format!("{sts}/oauth/2/introspect"))
            .with("content-type", form)
            .body("token=x"),
        case(200, "GET", format!("{gateway}/.caracal/health")),
        case(200, "GET", format!("{gateway}/.caracal/ready")),
        case(200, "GET", format!("{gateway}/.caracal/metrics")),
        case(404, "GET", format!("{gateway}/.caracal/nothing")),
        case(405, "POST", format!("{gateway}/.caracal/health")),
        case(401, "GET", format!("{gateway}/r/items/1")),
        case(401, "GET", format!("{gateway}/r/items/1")).with("authorization", "Bearer x"),
        case(400, "GET", format!("{gateway}/r/items//1")),
        case(200, "GET", format!("{gateway}/r/items/1")).with("authorization", &*mandate),
        case(403, "DELETE", format!("{gateway}/r/items/1")).with("authorization", &*mandate),
        case(404, "GET", format!("{gateway}/r/none/1")).with("authorization", &*mandate),
        case(502, "GET", format!("{gateway}/r/gone/1")).with("authorization", &*lost),
        case(200, "GET", format!("{console}/health")),
        case(200, "GET", format!("{console}/metrics")),
        case(200, "GET", format!("{console}/v1/openapi.json")),
        case(401, "GET", format!("{console}/v1/zones")),
        case(401, "GET", format!("{console}/v1/zones")).with("authorization", "Bearer x"),
        case(404, "GET", format!("{console}/nothing")),
        case(405, "PUT", format!("{console}/health")),
        case(421, "GET", format!("{console}/health")).with("host", "evil.example"),
        case(403, "GET", format!("{console}/health")).with("origin", "https://evil.example"),
    ];
    let mut ids = BTreeSet::new();
    for case in cases {
        let method: Method = case.method.parse().unwrap();
        let what = format!("{} {}", case.method, case.url);
        let mut request = http().request(method, &case.url).body(case.body);
        for (name, value) in &case.headers {
            request = request.header(*name, value);
        }
        // What a client says of it is not believed.
        let request = request.header("caracal-request-id", "req_of-the-client");
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status, case.status, "{what}: {}", answer.body);
        let id = answer
            .header("caracal-request-id")
            .unwrap_or_else(|| panic!("{what}"));
        assert!(id.starts_with("req_") && id.len() == 40, "{what}: {id}");
        assert!(ids.insert(id.to_owned()), "{what}: {id} twice");
        if answer.status >= 400 {
            assert_eq!(answer.json()["request_id"], id, "{what}");
        }
    }
    stack.cli(&["down"]).ok();
    let log = std::fs::read_to_string(stack.file("log/caracal.log")).unwrap();
    assert!(!log.contains("of-the-client"));
}

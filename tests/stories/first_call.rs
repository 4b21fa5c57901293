//! The main job: policy decides, the credential is injected, evidence is kept.

use crate::harness::{KEY, Stack, Upstream, claims};

const POLICY: &str = r#"permit (principal in Application::"anton", action == Action::"items:use", resource == Resource::"resource://items") when { context.request.method == "GET" };"#;

fn zone_file(upstream: &Upstream) -> String {
    format!(
        r#"
zone: acme
applications:
  - name: anton
providers:
  - name: key
    kind: bearer
    secret: {{ from_env: STORY_KEY }}
resources:
  - name: items
    upstream: {}
    provider: key
    allow_private: true
    scopes: [items:use]
    operations:
      - {{ method: GET, path: "/**", scope: items:use }}
      - {{ method: DELETE, path: "/items/{{id}}", scope: items:use }}
policies:
  - name: get-only
    cedar: |
      {POLICY}
"#,
        upstream.url()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_only_permit_mints_and_lets_only_get_pass() {
    let upstream = Upstream::start().await;
    let mut stack = Stack::start();
    stack.set("STORY_KEY", KEY);
    let applied = stack.apply(&zone_file(&upstream));
    let client = stack.client(&applied, "anton");

    let mandate = client.mint("resource://items", "items:use").await;
    assert_eq!(claims(&mandate)["scope"], "items:use");

    let allowed = client.call("GET", "/r/items/items/1", &mandate).await;
    assert_eq!(
        (allowed.status, &*allowed.json()["path"].to_string()),
        (200, "\"/items/1\"")
    );
    assert!(
        allowed
            .header("caracal-receipt")
            .is_some_and(|r| r.starts_with("log=\"log_"))
    );

    let denied = client.call("DELETE", "/r/items/items/1", &mandate).await;
    assert_eq!(
        (denied.status, denied.refusal()),
        (403, "policy_denied".to_owned())
    );

    let seen = upstream.seen();
    assert_eq!(seen.len(), 1, "only the allowed call reached the upstream");
    assert_eq!(seen[0].headers["authorization"], format!("Bearer {KEY}"));

    let types: Vec<_> = stack
        .events("acme")
        .iter()
        .map(|e| e["type"].clone())
        .collect();
    for wanted in ["mandate.issued", "call.started", "call.denied"] {
        assert!(
            types.iter().any(|t| t == wanted),
            "no {wanted} in {types:?}"
        );
    }
    let verified = stack.cli(&["audit", "verify", "--json"]).ok().json();
    assert_eq!(verified["ok"], true);
}

//! The story that every SDK tells, told by the one for TypeScript: TLS on every door, and mandates
//! that are bound to a key.

use crate::harness::{Authority, KEY, Stack, Upstream, binary, node_tests};

fn zone_file(upstream: &Upstream) -> String {
    format!(
        r#"
zone: acme
self_approval: true
applications:
  - {{ name: anton, labels: [support] }}
  - {{ name: berta }}
providers:
  - name: key
    kind: bearer
    secret: {{ from_env: STORY_KEY }}
resources:
  - name: items
    upstream: {}
    provider: key
    allow_private: true
    scopes: [items:read, items:write, items:delete, items:admin]
    operations:
      - {{ method: GET, path: "/**", scope: items:read }}
      - {{ method: POST, path: "/items/{{id}}", scope: items:write }}
      - {{ method: DELETE, path: "/redirect", scope: items:delete }}
policies:
  - name: read
    cedar: |
      permit (principal in Application::"anton", action in [Action::"items:read", Action::"items:delete"], resource);
  - name: write
    cedar: |
      @approval("operator")
      permit (principal in Application::"anton", action == Action::"items:write", resource) when {{ context.request.method == "POST" }};
  - name: lend
    cedar: |
      permit (principal in Application::"anton", action == Action::"caracal:lend", resource);
"#,
        upstream.url()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_in_typescript() {
    let upstream = Upstream::start().await;
    let mut stack = Stack::new();
    let authority = Authority::serve(&mut stack);
    stack.set("STORY_KEY", KEY);
    stack.up();
    let applied = stack.apply(&zone_file(&upstream));
    let application = |name: &str, member: &str| {
        let all = applied["applications"].as_array().unwrap();
        let found = all.iter().find(|a| a["name"] == name).unwrap();
        found[member].as_str().unwrap().to_owned()
    };
    // What the command line needs to find the stack is what the story's operator has.
    let mut told: Vec<(String, String)> = Vec::new();
    for (name, value) in stack.command(&[]).get_envs() {
        if let Some(value) = value {
            told.push((
                name.to_str().unwrap().to_owned(),
                value.to_str().unwrap().to_owned(),
            ));
        }
    }
    for (name, value) in [
        ("STORY_CARACAL", binary().to_owned()),
        ("STORY_CA", authority.file.to_str().unwrap().to_owned()),
        ("STORY_STS", stack.sts.clone()),
        ("STORY_GATEWAY", stack.gateway.clone()),
        (
            "STORY_ZONE",
            applied["zone"]["id"].as_str().unwrap().to_owned(),
        ),
        ("STORY_ANTON_ID", application("anton", "id")),
        ("STORY_ANTON_SECRET", application("anton", "client_secret")),
        ("STORY_BERTA_ID", application("berta", "id")),
        ("STORY_BERTA_SECRET", application("berta", "client_secret")),
    ] {
        told.push((name.to_owned(), value));
    }
    let output =
        tokio::task::spawn_blocking(move || node_tests("sdk/typescript", "test:story", &told))
            .await
            .unwrap()
            .ok();
    assert!(output.stdout.contains("# fail 0"), "{}", output.stdout);
    assert!(output.stdout.contains("# skipped 0"), "{}", output.stdout);
    for seen in upstream.seen() {
        assert!(!seen.headers.contains_key("dpop"), "{seen:?}");
    }
}

//! The story that every SDK tells, against a server of its own: TLS on every door, and mandates that
//! are bound to a key.

use crate::harness::{
    Authority, KEY, Output, Stack, Upstream, binary, go_tests, node_tests, python_tests,
};

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

/// Starts a server and lets the tests of an SDK tell the story; they are told where it is.
async fn tell(tests: impl FnOnce(&[(String, String)]) -> Output + Send + 'static) -> Output {
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
    let command = stack.command(&[]);
    let mut told: Vec<(String, String)> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value?.to_str()?.to_owned())))
        .collect();
    let zone = applied["zone"]["id"].as_str().unwrap();
    for (name, value) in [
        ("STORY_CARACAL", binary().to_owned()),
        ("STORY_CA", authority.file.to_str().unwrap().to_owned()),
        ("STORY_STS", stack.sts.clone()),
        ("STORY_GATEWAY", stack.gateway.clone()),
        ("STORY_ZONE", zone.to_owned()),
        ("STORY_ANTON_ID", application("anton", "id")),
        ("STORY_ANTON_SECRET", application("anton", "client_secret")),
        ("STORY_BERTA_ID", application("berta", "id")),
        ("STORY_BERTA_SECRET", application("berta", "client_secret")),
    ] {
        told.push((name.to_owned(), value));
    }
    let output = tokio::task::spawn_blocking(move || tests(&told)).await;
    for seen in upstream.seen() {
        assert!(!seen.headers.contains_key("dpop"), "{seen:?}");
    }
    output.unwrap().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_in_typescript() {
    let output = tell(|told| node_tests("sdk/typescript", "test:story", told)).await;
    assert!(output.stdout.contains("# fail 0"), "{}", output.stdout);
    assert!(output.stdout.contains("# skipped 0"), "{}", output.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_in_go() {
    let output = tell(|told| go_tests("sdk/go", told)).await;
    assert!(
        output.stdout.contains("--- PASS: TestAPersonApproves"),
        "{}",
        output.stdout
    );
    assert!(!output.stdout.contains("--- SKIP"), "{}", output.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_in_python() {
    let output = tell(|told| python_tests("sdk/python", told)).await;
    // What unittest tells, it tells on standard error.
    assert!(
        output.stderr.contains("test_a_person_approves") && output.stderr.ends_with("\nOK\n"),
        "{}",
        output.stderr
    );
}

//! Zone files: applied once, again, in part, pruned, and read back.

use serde_json::{Value, json};

use crate::harness::{KEY, Stack, Upstream};

/// The example of the contract, word for word.
const EXAMPLE: &str = r#"zone: acme-prod
applications:
  - name: anton
    labels: [support]            # labels its sessions may carry
providers:
  - name: openai
    kind: bearer                 # none | mandate | bearer | api_key | basic | oauth_client_credentials | …
    secret: { from_env: OPENAI_KEY }
resources:
  - name: openai                 # identifier resource://openai
    upstream: https://api.openai.com
    provider: openai
    scopes: [openai:models, openai:chat]
    operations:
      - { method: GET, path: /v1/models, scope: openai:models }
      - { method: POST, path: "/v1/chat/**", scope: openai:chat }
    allow_private: false         # true: the upstream may be a loopback or private address, within what the instance allows
policies:
  - name: anton
    cedar: |
      permit (principal in Application::"anton",
              action == Action::"openai:models",
              resource == Resource::"resource://openai");
"#;

fn open() -> Stack {
    let mut stack = Stack::start();
    stack.set("OPENAI_KEY", KEY);
    stack
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    let mut names: Vec<_> = items
        .iter()
        .map(|item| item["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_contract_is_applied_once() {
    let stack = open();
    // A look ahead changes nothing.
    let path = stack.beside().join("zone.yaml");
    std::fs::write(&path, EXAMPLE).unwrap();
    let file = path.to_str().unwrap();
    let ahead = stack
        .cli(&["apply", "-f", file, "--dry-run", "--json"])
        .ok()
        .json();
    assert!(
        ahead["changes"].as_u64().unwrap() > 0
            && ahead["applications"][0].get("client_secret").is_none(),
        "{ahead}"
    );
    assert_eq!(
        names(&stack.cli(&["zone", "list", "--json"]).ok().json()),
        [""; 0]
    );

    let applied = stack.cli(&["apply", "-f", file, "--json"]).ok().json();
    assert_eq!(applied["changes"], ahead["changes"]);
    assert_eq!(applied["zone"]["name"], "acme-prod");
    for (list, prefix) in [
        ("applications", "app_"),
        ("resources", "res_"),
        ("providers", "prov_"),
    ] {
        let [item] = applied[list].as_array().unwrap().as_slice() else {
            panic!("{applied}")
        };
        assert!(item["id"].as_str().unwrap().starts_with(prefix), "{item}");
    }
    assert_eq!(applied["policies"], json!(["anton"]));
    let client = stack.client(&applied, "anton");
    client.mint("resource://openai", "openai:models").await;
    let beyond = client.try_mint("resource://openai", "openai:chat").await;
    assert_eq!(beyond.status, 403);

    let again = stack.cli(&["apply", "-f", file, "--json"]).ok().json();
    assert_eq!(again["changes"], 0, "{again}");
    assert!(again["applications"][0].get("client_secret").is_none());
    assert_eq!(
        again["applications"][0]["id"],
        applied["applications"][0]["id"]
    );
    let difference = stack.cli(&["diff", "-f", file, "--json"]).ok().json();
    assert_eq!(difference["changes"], 0);
    client.mint("resource://openai", "openai:models").await;

    // The text says the same; the secret of the provider is nowhere.
    let changed = EXAMPLE.replace("[support]", "[support, night]");
    let text = stack.cli_with(&["diff", "-f", "-"], &changed).ok().stdout;
    assert!(
        text.contains("~ update application anton") && text.contains("1 change"),
        "{text}"
    );
    for arguments in [
        &["export"][..],
        &["provider", "show", "openai", "--json"],
        &["audit", "list", "--json"],
    ] {
        assert!(
            !stack.cli(arguments).ok().stdout.contains(KEY),
            "{arguments:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_zone_is_the_zone() {
    let upstream = Upstream::start().await;
    let stack = open();
    let file = EXAMPLE
        .replace("https://api.openai.com", &upstream.url())
        .replace("allow_private: false", "allow_private: true\n    cookies: pass\n    mandate_in: [{ header: x-api-key }, basic_password]\n    max_stream_seconds: 7");
    let applied = stack.apply(&file);
    let exported = stack.cli(&["export"]).ok().stdout;
    let again = stack.apply(&exported);
    assert_eq!(
        (again["changes"].clone(), again["zone"].clone()),
        (0.into(), applied["zone"].clone()),
        "{exported}"
    );
    assert_eq!(
        stack
            .cli_with(&["apply", "-f", "-", "--prune", "--json"], &exported)
            .ok()
            .json()["changes"],
        0
    );
    let as_json = stack.cli(&["export", "--json"]).ok().stdout;
    assert_eq!(stack.apply(&as_json)["changes"], 0, "JSON is YAML");

    // The provider kept its secret: a call still carries it.
    let client = stack.client(&applied, "anton");
    let mandate = client.mint("resource://openai", "").await;
    assert_eq!(
        client
            .call("GET", "/r/openai/v1/models", &mandate)
            .await
            .status,
        200
    );
    assert_eq!(
        upstream.seen().pop().unwrap().headers["authorization"],
        format!("Bearer {KEY}")
    );

    // In another zone the same file makes the same things, but there is no secret to keep.
    let elsewhere = exported.replace("acme-prod", "acme-test");
    let refused = stack.cli_with(&["apply", "-f", "-"], &elsewhere).fails(1);
    assert!(refused.stderr.contains("secret"), "{}", refused.stderr);
    assert_eq!(
        names(&stack.cli(&["zone", "list", "--json"]).ok().json()),
        ["acme-prod"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_removes_what_the_file_does_not_name() {
    let stack = open();
    let more = "zone: acme-prod\napplications: [{ name: berta }]\nproviders: [{ name: spare, kind: none }]\n\
        resources: [{ name: spare, upstream: 'https://spare.example', provider: spare, scopes: [spare:use] }]\n\
        policies: [{ name: berta, cedar: 'permit (principal in Application::\"berta\", action, resource);' }]\n";
    let (file, second) = (stack.beside().join("1.yaml"), stack.beside().join("2.yaml"));
    std::fs::write(&file, EXAMPLE).unwrap();
    std::fs::write(&second, more).unwrap();
    let (file, second) = (file.to_str().unwrap(), second.to_str().unwrap());
    // Several files of one zone are one change; without pruning nothing is lost.
    let applied = stack
        .cli(&["apply", "-f", file, "-f", second, "--json"])
        .ok()
        .json();
    let berta = stack.client(&applied, "berta");
    let mandate = berta.mint("resource://openai", "openai:models").await;
    assert_eq!(
        stack.cli(&["apply", "-f", file, "--json"]).ok().json()["changes"],
        0
    );

    let pruned = stack
        .cli(&["apply", "-f", file, "--prune", "--json"])
        .ok()
        .json();
    assert!(pruned["changes"].as_u64().unwrap() >= 4, "{pruned}");
    for (noun, left) in [
        ("app", "anton"),
        ("provider", "openai"),
        ("resource", "openai"),
        ("policy", "anton"),
    ] {
        assert_eq!(
            names(&stack.cli(&[noun, "list", "--json"]).ok().json()),
            [left]
        );
    }
    assert_eq!(berta.try_mint("resource://openai", "").await.status, 401);
    let dead = berta.call("GET", "/r/openai/v1/models", &mandate).await;
    assert_eq!(dead.refusal(), "mandate_revoked");
    assert_eq!(
        stack
            .cli(&["apply", "-f", file, "--prune", "--json"])
            .ok()
            .json()["changes"],
        0
    );
}

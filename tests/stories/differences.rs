//! What a file would change, told before it is changed, and what contradicts it.

use serde_json::{Value, json};

use crate::harness::{KEY, Stack};

/// Every field of every kind that a zone file has, none at its default.
const EVERYTHING: &str = r#"zone: acme
applications:
  - name: anton
    labels: [night, support]
  - name: berta
providers:
  - { name: bearer, kind: bearer, secret: { from_env: STORY_KEY }, allowed_hosts: ['api.example:443', 'b.example:8443'] }
  - { name: header, kind: api_key, header: x-api-key, prefix: 'Token ', secret: { from_env: STORY_KEY } }
  - { name: query, kind: api_key, query: key, secret: { from_env: STORY_KEY } }
  - { name: basic, kind: basic, username: 'ünser user', secret: { from_env: STORY_KEY } }
  - { name: none, kind: none }
resources:
  - name: full
    upstream: https://api.example/base
    provider: bearer
    scopes: [full:read, full:write]
    operations:
      - { method: GET, path: '/v1/{id}/x', scope: full:read }
      - { method: '*', path: '/v1/**', scope: full:write }
    default_scope: full:read
    enforcement: service
    allow_private: true
    upstream_ca: ca.pem
    mandate_in: [{ header: x-api-key }, { query: token }, basic_password]
    cookies: pass
    dpop: required
    single_use: true
    encoded_slashes: literal
    response_timeout_seconds: 7
    max_stream_seconds: 8
    max_body_bytes: 9
  - { name: bare, upstream: 'https://bare.example', provider: query, scopes: [bare:use] }
policies:
  - name: anton
    cedar: |
      // A comment, "quotes", tabs	and 'more': # all of it is kept.
      permit (principal in Application::"anton",
              action == Action::"full:read",
              resource == Resource::"resource://full");
  - { name: one-line, cedar: 'forbid (principal, action == Action::"full:write", resource);' }
"#;

struct World {
    stack: Stack,
}

impl World {
    fn start() -> Self {
        let mut stack = Stack::start();
        stack.set("STORY_KEY", KEY);
        let ca = rcgen::generate_simple_self_signed(vec!["api.example".to_owned()]).unwrap();
        std::fs::write(stack.beside().join("ca.pem"), ca.cert.pem()).unwrap();
        Self { stack }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.stack.beside().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn apply(&self, text: &str) -> Value {
        let file = self.file("zone.yaml", text);
        self.stack
            .cli(&["apply", "-f", &file, "--json"])
            .ok()
            .json()
    }

    fn diff(&self, text: &str, more: &[&str]) -> String {
        let file = self.file("zone.yaml", text);
        self.stack
            .cli(&[&["diff", "-f", &file], more].concat())
            .ok()
            .stdout
    }
}

#[test]
fn an_export_of_every_field_changes_nothing() {
    let world = World::start();
    assert_ne!(world.apply(EVERYTHING)["changes"], 0);
    assert_eq!(world.apply(EVERYTHING)["changes"], 0);
    let exported = world.stack.cli(&["export"]).ok().stdout;
    for text in [
        &exported,
        &world.stack.cli(&["export", "--json"]).ok().stdout,
    ] {
        for more in [&[][..], &["--prune"]] {
            let again = world.file("again.yaml", text);
            let command = [&["apply", "-f", &again, "--json"], more].concat();
            let answer = world.stack.cli(&command).ok().json();
            assert_eq!(answer["changes"], 0, "{answer}\n{text}");
        }
    }
    assert_eq!(world.stack.cli(&["export"]).ok().stdout, exported);
    // What is exported says everything: nothing of the file is missing in it.
    for word in EVERYTHING.split(|c: char| !c.is_alphanumeric() && c != '_') {
        let left_out = ["from_env", "STORY_KEY", "ca", "pem", "secret"].contains(&word);
        assert!(
            left_out || exported.contains(word),
            "no `{word}` in {exported}"
        );
    }
}

#[test]
fn a_difference_is_told_field_by_field_and_secrets_by_a_word() {
    let mut world = World::start();
    let ahead = world.diff(EVERYTHING, &[]);
    assert!(
        ahead.contains("+ create zone acme") && ahead.contains("    secret: set"),
        "{ahead}"
    );
    world.apply(EVERYTHING);
    assert!(world.diff(EVERYTHING, &[]).contains("is so already"));
    let changed = EVERYTHING
        .replace("[night, support]", "[night]")
        .replace("https://api.example/base", "https://api.example/other")
        .replace("cookies: pass", "cookies: drop")
        .replace("dpop: required", "dpop: optional")
        .replace("path: '/v1/{id}/x'", "path: '/v2/{id}'")
        .replace(
            "kind: bearer, secret",
            "kind: api_key, header: x-key, secret",
        )
        .replace("action == Action::\"full:read\",", "action,");
    let told = world.diff(&changed, &[]);
    for line in [
        "~ update application anton\n    labels: [night, support] → [night]\n",
        "~ update resource full\n",
        "    upstream: https://api.example/base → https://api.example/other\n",
        "    cookies: pass → not set\n",
        "    dpop: required → not set\n",
        "      - { method: GET, path: /v1/{id}/x, scope: full:read }\n      + { method: GET, path: /v2/{id}, scope: full:read }\n",
        "~ update provider bearer\n",
        "    header: x-key\n    kind: bearer → api_key\n    secret: unchanged\n",
        "> activate bundle ",
        "    policies.anton:\n      -         action == Action::\"full:read\",\n      +         action,\n",
    ] {
        assert!(told.contains(line), "no\n{line}\nin\n{told}");
    }
    let as_json = world.file("zone.yaml", &changed);
    let dry = world
        .stack
        .cli(&["apply", "-f", &as_json, "--dry-run", "--json"])
        .ok()
        .json();
    let same = world
        .stack
        .cli(&["diff", "-f", &as_json, "--json"])
        .ok()
        .json();
    assert_eq!(dry, same, "a dry run is the diff");
    let labels = &dry["changed"][0]["fields"][0];
    assert_eq!(
        labels,
        &json!({"field": "labels", "before": ["night", "support"], "after": ["night"]})
    );

    world.stack.set("STORY_KEY", "another-secret-entirely");
    let told = world.diff(EVERYTHING, &[]);
    assert_eq!(told.matches("    secret: changed\n").count(), 4, "{told}");
    let pruned = "zone: acme\napplications: [{ name: anton, labels: [night, support] }]\n";
    let told = world.diff(pruned, &["--prune"]);
    for line in [
        "- delete application berta",
        "- delete resource full",
        "- delete provider basic",
    ] {
        assert!(told.contains(line), "{told}");
    }
    for secret in [KEY, "another-secret"] {
        assert!(!told.contains(secret));
    }
}

#[test]
fn what_was_changed_since_the_diff_is_a_conflict() {
    let world = World::start();
    world.apply(EVERYTHING);
    let file = world.file(
        "zone.yaml",
        &EVERYTHING.replace("cookies: pass", "cookies: drop"),
    );
    let told = world.stack.cli(&["diff", "-f", &file]).ok().stdout;
    let base = told
        .trim_end()
        .rsplit_once("--base ")
        .unwrap()
        .1
        .trim_end_matches('`')
        .to_owned();
    world.stack.cli(&["app", "create", "carla"]).ok();
    let refused = world
        .stack
        .cli(&["apply", "-f", &file, "--base", &base])
        .fails(1);
    assert!(
        refused.stderr.contains("was changed since") && refused.stderr.contains("caracal diff"),
        "{}",
        refused.stderr
    );
    let again = world
        .stack
        .cli(&["diff", "-f", &file, "--json"])
        .ok()
        .json();
    let base = again["base"].as_str().unwrap();
    let applied = world
        .stack
        .cli(&["apply", "-f", &file, "--base", base, "--json"])
        .ok()
        .json();
    assert_eq!(applied["changes"], 1, "{applied}");
}

#[test]
fn files_that_contradict_each_other_or_the_zone_change_nothing() {
    let world = World::start();
    world.apply(EVERYTHING);
    let one = "zone: acme\nresources: [{ name: r, upstream: 'https://a.example', scopes: [s] }]\n";
    let two = one
        .replace("a.example", "b.example")
        .replace("[s]", "[s, t]");
    let (one, two) = (world.file("one.yaml", one), world.file("two.yaml", &two));
    let refused = world
        .stack
        .cli(&["apply", "-f", &one, "-f", &two])
        .fails(2)
        .stderr;
    for word in [
        "`r` is written differently",
        "one.yaml",
        "two.yaml",
        "`scopes`, `upstream`",
    ] {
        assert!(refused.contains(word), "no `{word}` in {refused}");
    }
    // Alike is no contradiction.
    let alike = world
        .stack
        .cli(&["diff", "-f", &one, "-f", &one, "--json"])
        .ok()
        .json();
    assert_eq!(alike["changes"], 1);
    let twice = world
        .stack
        .cli(&["diff", "-f", "-", "-f", "-"])
        .fails(2)
        .stderr;
    assert!(twice.contains("only once"), "{twice}");

    let missing = "zone: acme\nresources: [{ name: r, upstream: 'https://a.example', provider: nobody, scopes: [s] }]\n";
    let missing = world.file("missing.yaml", missing);
    let refused = world.stack.cli(&["apply", "-f", &missing]).fails(1).stderr;
    assert!(
        refused.contains("resources[0].provider: no provider `nobody`"),
        "{refused}"
    );
    // Pruning would take away what the file itself uses.
    let in_use = "zone: acme\nresources: [{ name: bare, upstream: 'https://bare.example', provider: query, scopes: ['bare:use'] }]\n";
    let in_use = world.file("in-use.yaml", in_use);
    let refused = world
        .stack
        .cli(&["apply", "-f", &in_use, "--prune"])
        .fails(1)
        .stderr;
    assert!(refused.contains("this change removes it"), "{refused}");
    let policy = "zone: acme\npolicies: [{ name: anton, cedar: 'permit (principal in Application::\"anton\", action, resource);' }]\n";
    let policy = world.file("policy.yaml", policy);
    let refused = world
        .stack
        .cli(&["apply", "-f", &policy, "--prune"])
        .fails(1)
        .stderr;
    assert!(
        refused.contains("policies[anton]") && refused.contains("anton"),
        "{refused}"
    );

    // A mistake in the second zone keeps the first as it is.
    let other = "zone: other\nresources: [{ name: r, upstream: 'nonsense', scopes: [s] }]\n";
    let other = world.file("other.yaml", other);
    let refused = world
        .stack
        .cli(&["apply", "-f", &one, "-f", &other])
        .fails(1)
        .stderr;
    assert!(refused.contains("upstream"), "{refused}");
    assert!(
        world
            .diff(EVERYTHING, &["--prune"])
            .contains("is so already")
    );
}

//! Zone files and policies with mistakes: each is told with its place, and nothing changes.

use crate::harness::{Output, Stack};

fn zone_with(policy: &str) -> String {
    let lines: String = policy
        .lines()
        .map(|line| format!("      {line}\n"))
        .collect();
    format!(
        "zone: acme\napplications: [{{ name: anton }}]\nresources:\n  - name: mail\n    upstream: https://mail.example\n\
         \x20   scopes: [mail:read, mail:send]\npolicies:\n  - name: rule\n    cedar: |\n{lines}"
    )
}

fn apply(stack: &Stack, file: &str) -> Output {
    stack.cli_with(&["apply", "-f", "-"], file)
}

#[track_caller]
fn tells(output: Output, code: i32, words: &[&str]) {
    let output = output.fails(code);
    assert_eq!(output.stdout, "");
    for word in words {
        assert!(
            output.stderr.contains(word),
            "no `{word}` in: {}",
            output.stderr
        );
    }
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
}

#[test]
fn a_file_that_is_no_zone_file_is_told_with_its_place() {
    let stack = Stack::start();
    let table: &[(&str, &[&str])] = &[
        ("zone: a\nzones: b\n", &["zones", "2"]),
        (
            "zone: a\napplications:\n  - name: x\n    lables: [y]\n",
            &["lables", "4"],
        ),
        (
            "zone: a\nresources:\n  - name: r\n    upstream: https://x\n    scopes: [s]\n    operations:\n      - { method: GET, paths: /a, scope: s }\n",
            &["paths", "7"],
        ),
        ("zone: a\n  applications: x\n", &["2"]),
        ("zone: [a\n", &["line"]),
        ("zone: a\nzone: b\n", &["zone", "2"]),
        ("applications: []\n", &["zone"]),
        ("", &["zone"]),
        ("- a\n- b\n", &["1"]),
        ("zone: a\n---\nzone: b\n", &["standard input"]),
        ("zone: a\napplications: {}\n", &["2"]),
        ("\u{0}\u{1}", &["standard input"]),
    ];
    for (file, words) in table {
        tells(apply(&stack, file), 2, words);
    }
    // A mistake beside a secret does not show the secret.
    let beside = "zone: a\nproviders:\n  - name: p\n    kind: bearer\n    secret: { value: sk-canary, from: x }\n";
    let output = apply(&stack, beside).fails(2);
    assert!(
        !output.stderr.contains("sk-canary") && output.stderr.contains("line"),
        "{}",
        output.stderr
    );

    // A bomb of aliases, and one of brackets, end soon.
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let last = format!("*a{}, ", i - 1).repeat(10);
        bomb.push_str(&format!("a{i}: &a{i} [{}]\n", last.trim_end_matches(", ")));
    }
    tells(apply(&stack, &format!("{bomb}zone: a\n")), 2, &[]);
    tells(
        apply(&stack, &format!("zone: {}", "[".repeat(100_000))),
        2,
        &[],
    );
    tells(
        apply(&stack, &format!("zone: {}", "a".repeat(9 * 1024 * 1024))),
        1,
        &["longer"],
    );

    tells(
        stack.cli(&["apply", "-f", "/nonexistent.yaml"]),
        1,
        &["/nonexistent.yaml"],
    );
    tells(stack.cli(&["apply"]), 2, &["--file"]);
    assert_eq!(
        stack.cli(&["zone", "list", "--json"]).ok().json()["items"],
        serde_json::json!([])
    );
}

#[test]
fn values_that_cannot_be_are_named_by_their_field() {
    let stack = Stack::start();
    let zone = |name: &str| format!("zone: {name}\n");
    let app = |name: &str| format!("zone: acme\napplications: [{{ name: {name} }}]\n");
    let resource = |lines: &str| {
        format!(
            "zone: acme\nresources:\n  - {{ name: r, upstream: 'https://x.example', scopes: [a, b], {lines} }}\n"
        )
    };
    let table = [
        (zone("Acme"), "zone"),
        (zone("\"-a\""), "zone"),
        (zone("\"a b\""), "zone"),
        (zone("\"ä\""), "zone"),
        (zone("\"a/../b\""), "zone"),
        (zone("\"\""), "zone"),
        (zone(&"a".repeat(64)), "zone"),
        (app("\"a\\u0000\""), "name"),
        (app("\"a\\nb\""), "name"),
        (app("\"<script>\""), "name"),
        (app("\"a\\u202eb\""), "name"),
        (app("twice }, { name: twice"), "twice"),
        (resource("operations: [{ method: get, path: /a, scope: a }]"), "method"),
        (resource("operations: [{ method: GET, path: a, scope: a }]"), "path"),
        (resource("operations: [{ method: GET, path: /a/../b, scope: a }]"), "path"),
        (resource("operations: [{ method: GET, path: '/**/a', scope: a }]"), "path"),
        (resource("operations: [{ method: GET, path: /a, scope: c }]"), "c"),
        (resource("operations: [{ method: GET, path: '/{x}', scope: a }, { method: GET, path: '/{y}', scope: b }]"), "operations"),
        (resource("provider: missing"), "missing"),
        (resource("cookies: maybe"), "cookies"),
        (resource("upstream_ca: /nonexistent.pem"), "upstream_ca"),
        ("zone: acme\nresources: [{ name: r, upstream: 'ftp://x', scopes: [a] }]\n".to_owned(), "upstream"),
        ("zone: acme\nresources: [{ name: r, upstream: 'https://u:p@x', scopes: [a] }]\n".to_owned(), "upstream"),
        ("zone: acme\nresources: [{ name: r, upstream: 'https://x', scopes: ['a b'] }]\n".to_owned(), "scopes"),
        ("zone: acme\nresources: [{ name: r, upstream: 'https://x', scopes: ['caracal:lend'] }]\n".to_owned(), "scopes"),
        ("zone: acme\nproviders: [{ name: p, kind: beerer }]\n".to_owned(), "kind"),
        ("zone: acme\nproviders: [{ name: p, kind: bearer, header: x, secret: { value: s } }]\n".to_owned(), "header"),
        ("zone: acme\nproviders: [{ name: p, kind: bearer }]\n".to_owned(), "secret"),
        ("zone: acme\nproviders: [{ name: p, kind: api_key, header: Host, secret: { value: s } }]\n".to_owned(), "header"),
        ("zone: acme\nproviders: [{ name: p, kind: bearer, secret: { value: \"a\\r\\nx: y\" } }]\n".to_owned(), "secret"),
        ("zone: acme\nproviders: [{ name: p, kind: bearer, secret: { from_env: STORY_UNSET } }]\n".to_owned(), "STORY_UNSET"),
        ("zone: acme\nproviders: [{ name: p, kind: bearer, secret: { from_file: /nonexistent } }]\n".to_owned(), "/nonexistent"),
    ];
    for (file, word) in table {
        let output = apply(&stack, &file);
        assert!(
            matches!(output.code, 1 | 2) && output.stdout.is_empty(),
            "{file}: {output:?}"
        );
        assert!(
            output.stderr.contains(word),
            "no `{word}` for {file}: {}",
            output.stderr
        );
    }
    assert_eq!(
        stack.cli(&["zone", "list", "--json"]).ok().json()["items"],
        serde_json::json!([])
    );
}

#[test]
fn a_policy_with_a_mistake_is_refused_with_line_and_column() {
    let stack = Stack::start();
    stack.apply(&zone_with("permit (principal, action, resource);"));
    let before = stack.cli(&["policy", "list", "--json"]).ok().json();
    let table: &[(&str, &[&str])] = &[
        (
            "permit (principal,\n  action == Action::\"mail:reed\",\n  resource);",
            &["rule", "mail:reed", "mail:read", ":2:13"],
        ),
        (
            "permit (principal in Application::\"antom\", action, resource);",
            &["antom", "anton"],
        ),
        (
            "permit (principal, action, resource == Resource::\"resource://male\");",
            &["male"],
        ),
        (
            "permit (principal, action, resource)",
            &["policies[rule]:1:"],
        ),
        (
            "permit (principal, action, resource) when { context.request.methd == \"GET\" };",
            &["methd"],
        ),
        (
            "permit (principal, action, resource) when { context.request.method == 1 };",
            &["rule"],
        ),
        (
            "permit (principal, action, resource) when { principal.subject == 1 };",
            &["rule"],
        ),
        (
            "@id(\"x\") @rote(\"1\") permit (principal, action, resource);",
            &["rote"],
        ),
        ("nonsense", &["policies[rule]:1:"]),
        ("", &["rule"]),
    ];
    for (policy, words) in table {
        tells(apply(&stack, &zone_with(policy)), 1, words);
        let check = stack.cli_with(&["policy", "check", "-f", "-"], &zone_with(policy));
        assert_eq!(check.code, 1, "{policy}: {check:?}");
    }
    let nested = format!(
        "permit (principal, action, resource) when {{ {}true{} }};",
        "(".repeat(10_000),
        ")".repeat(10_000)
    );
    tells(apply(&stack, &zone_with(&nested)), 1, &["nest deeper"]);
    let sets = format!(
        "permit (principal, action, resource) when {{ {}1{}.isEmpty() }};",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    tells(apply(&stack, &zone_with(&sets)), 1, &["nest deeper"]);
    let long = format!(
        "permit (principal, action, resource); // {}",
        "x".repeat(5 * 1024 * 1024)
    );
    tells(apply(&stack, &zone_with(&long)), 1, &["bytes"]);
    let many = "permit (principal, action, resource);\n".repeat(100_000);
    tells(apply(&stack, &zone_with(&many)), 1, &[]);

    assert_eq!(stack.cli(&["policy", "list", "--json"]).ok().json(), before);
    stack.cli(&["status"]).ok();
}

//! Listings, exit codes, and which zone a command means.

use crate::harness::Stack;

const NOUNS: [&[&str]; 9] = [
    &["zone", "list"],
    &["app", "list"],
    &["resource", "list"],
    &["provider", "list"],
    &["policy", "list"],
    &["policy", "history"],
    &["token", "list"],
    &["revocation", "list"],
    &["audit", "list"],
];

fn zone_file(name: &str) -> String {
    let mut file = format!("zone: {name}\napplications:\n");
    for i in 0..5 {
        file.push_str(&format!("  - name: app-{i}\n"));
    }
    file.push_str(
        "providers:\n  - { name: a, kind: none }\n  - { name: b, kind: none }\nresources:\n",
    );
    for i in 0..3 {
        file.push_str(&format!(
            "  - {{ name: res-{i}, upstream: 'https://x.example', scopes: [s] }}\n"
        ));
    }
    file.push_str("policies:\n  - { name: p1, cedar: 'permit (principal, action, resource);' }\n  - { name: p2, cedar: 'forbid (principal in Application::\"app-0\", action, resource);' }\n");
    file
}

fn items(stack: &Stack, arguments: &[&str], more: &[&str]) -> Vec<serde_json::Value> {
    let arguments: Vec<_> = arguments
        .iter()
        .chain(more)
        .chain(&["--json"])
        .copied()
        .collect();
    let output = stack.cli(&arguments).ok();
    if arguments[0] == "audit" {
        return output.json_lines();
    }
    output.json()["items"].as_array().unwrap().clone()
}

#[test]
fn every_listing_is_json_and_limited() {
    let stack = Stack::start();
    stack.apply(&zone_file("acme"));
    for (name, app) in [("one", "app/app-1"), ("two", "app/app-2")] {
        stack
            .cli(&["token", "create", name, "--role", "viewer"])
            .ok();
        stack.cli(&["revoke", app, "--reason", name]).ok();
    }
    let whole = [1, 5, 3, 2, 2, 1, 2, 2];
    for (noun, count) in NOUNS.iter().zip(whole) {
        assert_eq!(items(&stack, noun, &[]).len(), count, "{noun:?}");
    }
    assert!(items(&stack, NOUNS[8], &[]).len() > 10);
    for noun in NOUNS {
        let all = items(&stack, noun, &[]);
        let one = items(&stack, noun, &["--limit", "1"]);
        assert_eq!(one, all[..1], "{noun:?}");
        assert!(
            items(&stack, noun, &["--limit", "0"]).is_empty(),
            "{noun:?}"
        );
        assert_eq!(items(&stack, noun, &["--limit", "100000"]), all, "{noun:?}");
        // For people it is a table, with a word about what is left out.
        let text = stack.cli(noun).ok();
        assert!(
            text.stdout.lines().count() > all.len().min(1),
            "{noun:?}: {}",
            text.stdout
        );
        let mut wrong = noun.to_vec();
        wrong.extend(["--limit", "many"]);
        stack.cli(&wrong).fails(2);
    }
    // One object is JSON too, and nothing else stands on standard output.
    for show in [
        ["app", "show", "app-1"],
        ["resource", "show", "res-1"],
        ["provider", "show", "a"],
        ["policy", "show", "p1"],
        ["zone", "show", "acme"],
    ] {
        let shown = stack.cli(&[show[0], show[1], show[2], "--json"]).ok();
        assert_eq!(shown.json()["name"], show[2]);
        assert_eq!(shown.stdout.lines().count(), 1);
    }
    for json in [
        &["status"][..],
        &["up"],
        &["doctor"],
        &["export"],
        &["audit", "verify"],
        &["freeze"],
        &["thaw"],
        &["down"],
    ] {
        let output = stack.cli(&[json, &["--json"]].concat());
        output.json();
    }
}

#[test]
fn the_zone_is_named_or_the_only_one() {
    let mut stack = Stack::start();
    let list = |stack: &Stack| stack.cli(&["app", "list", "--json"]);
    let none = list(&stack).fails(1);
    assert!(none.stderr.contains("no zone"), "{}", none.stderr);
    let id = stack.apply(&zone_file("demo"))["zone"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    list(&stack).ok();
    stack.apply("zone: acme\napplications: [{ name: only }]\n");
    // `demo` counts only when there is no other.
    assert_eq!(
        list(&stack).ok().json()["items"].as_array().unwrap().len(),
        1
    );
    stack.apply("zone: other\n");
    let several = list(&stack).fails(2);
    assert!(
        several.stderr.contains("`acme`, `other`"),
        "{}",
        several.stderr
    );
    assert_eq!(several.stdout, "");
    for (zone, count) in [("demo", 5), (&*id, 5), ("acme", 1), ("other", 0)] {
        let named = stack
            .cli(&["app", "list", "--json", "--zone", zone])
            .ok()
            .json();
        assert_eq!(named["items"].as_array().unwrap().len(), count, "{zone}");
    }
    let unknown = stack.cli(&["--zone", "nowhere", "app", "list"]).fails(1);
    assert!(unknown.stderr.contains("nowhere"));
    stack.set("CARACAL_ZONE_ID", "acme");
    assert_eq!(
        list(&stack).ok().json()["items"].as_array().unwrap().len(),
        1
    );
    let flag = stack
        .cli(&["app", "list", "--json", "--zone", "demo"])
        .ok()
        .json();
    assert_eq!(
        flag["items"].as_array().unwrap().len(),
        5,
        "the flag comes first"
    );
}

#[test]
fn exit_codes_tell_what_went_wrong() {
    let mut stack = Stack::start();
    stack.apply(&zone_file("acme"));
    stack.cli(&["app", "list"]).ok();
    stack.cli(&["app", "show", "nobody"]).fails(1);
    stack.cli(&["app", "create", "app-1"]).fails(1);
    stack.cli(&["app", "create", "Ä"]).fails(1);
    stack.cli(&["revoke", "app/nobody"]).fails(1);
    stack.cli(&["revoke", "nonsense"]).fails(1);
    for usage in [
        &["nonsense"][..],
        &["app"],
        &["app", "show"],
        &["--nonsense"],
        &["revoke"],
        &["purge"],
        &["token", "create", "x"],
    ] {
        let output = stack.cli(usage).fails(2);
        assert_eq!(output.stdout, "", "{usage:?}");
    }
    stack
        .cli(&["policy", "explain", "app-1", "res-1", "s"])
        .ok();
    stack
        .cli(&["policy", "explain", "app-0", "res-1", "s"])
        .fails(3);
    stack.cli(&["--version"]).ok();
    assert!(
        stack
            .cli(&["completions", "bash"])
            .ok()
            .stdout
            .contains("caracal")
    );

    stack.cli(&["down"]).ok();
    let unreachable = stack.cli(&["app", "list"]).fails(5);
    assert!(
        unreachable.stderr.contains("caracal up"),
        "{}",
        unreachable.stderr
    );
    for command in [
        &["export"][..],
        &["apply", "-f", "/dev/null"],
        &["audit", "list"],
        &["freeze"],
    ] {
        let code = stack.cli(command).code;
        assert_eq!(
            code,
            if command[0] == "apply" { 2 } else { 5 },
            "{command:?}"
        );
    }
    stack.cli(&["status"]).fails(1);
    // A server that is named and does not answer, and one without a token.
    stack.set("CARACAL_API_URL", "http://127.0.0.1:1");
    stack.cli(&["app", "list"]).fails(2);
    stack.set("CARACAL_API_TOKEN", "x");
    stack.cli(&["app", "list"]).fails(5);
    stack.set("CARACAL_API_URL", "http://api.example.com");
    let clear = stack.cli(&["app", "list"]).fails(2);
    assert!(clear.stderr.contains("https"), "{}", clear.stderr);
}

use std::collections::{BTreeMap, BTreeSet};

use super::{compiled, refused, sources, vocabulary};
use crate::{Vocabulary, canonical_bytes, compile};

/// One row: the text, where the first error is, a part of its message, a part of its hint.
fn check(text: &str, line: usize, column: usize, message: &str, hint: &str) {
    let errors = refused(text);
    let error = &errors.0[0];
    assert_eq!(
        (error.line, error.column),
        (Some(line), Some(column)),
        "{text}\n{errors}"
    );
    assert!(error.message.contains(message), "{text}\n{errors}");
    let own = error.hint.clone().unwrap_or_default();
    assert!(own.contains(hint), "{text}\n{errors}");
    assert_eq!(error.policy.as_ref().map(|p| p.as_str()), Some("p"));
}

#[test]
fn unknown_names_are_refused_with_the_nearest_one() {
    let head =
        |action: &str| format!("permit(principal,\n  action == Action::\"{action}\", resource);");
    check(
        &head("openai:modles"),
        2,
        13,
        "`openai:modles`",
        "did you mean `openai:models`?",
    );
    check(
        &head("quite-different"),
        2,
        13,
        "declares the scope",
        "declare the scope",
    );
    check(
        &head("caracal:lent"),
        2,
        13,
        "`caracal:lent`",
        "`caracal:lend`",
    );
    check(
        "permit(principal in Application::\"antn\", action, resource);",
        1,
        21,
        "no application `antn`",
        "`anton`",
    );
    check(
        "permit(principal in Application::\"nope-nope\", action, resource);",
        1,
        21,
        "`nope-nope`",
        "register",
    );
    check(
        "permit(principal, action, resource == Resource::\"resource://opnai\");",
        1,
        39,
        "no resource",
        "did you mean `resource://openai`?",
    );
    check(
        "permit(principal, action, resource == Resource::\"openai\");",
        1,
        39,
        "no resource",
        "did you mean `resource://openai`?",
    );
    check(
        "permit(principal, action, resource) when { principal == Session::\"x\" };",
        1,
        57,
        "not the id of a session",
        "ses_",
    );
    check(
        "permit(principal, action, resource) when { principal has subject && principal.subject == Subject::\"me\" };",
        1,
        90,
        "subject",
        "sub_",
    );
    check(
        "permit(principal in App::\"anton\", action, resource);",
        1,
        21,
        "`App` is not a type",
        "`Application`",
    );
    // In conditions too, and in later statements; the column counts characters.
    check(
        "// é\npermit(principal, action, resource);\n/* */",
        3,
        1,
        "unexpected token",
        "",
    );
    check(
        "permit(principal, action, resource) when { \"é\" == \"é\" && principal in Application::\"antom\" };",
        1,
        71,
        "`antom`",
        "`anton`",
    );
}

#[test]
fn a_pinned_resource_must_declare_the_pinned_scope() {
    let head = |actions: &str| {
        format!(
            "permit(principal, action in [{actions}], resource == Resource::\"resource://openai\");"
        )
    };
    check(
        &head("Action::\"openai:chat\", Action::\"files:read\""),
        1,
        53,
        "does not declare the scope `files:read`",
        "`resource://files` declares it",
    );
    compiled(&[(
        "p",
        &head("Action::\"openai:chat\", Action::\"caracal:lend\""),
    )]);
}

#[test]
fn the_types_of_policies_are_strict() {
    let when =
        |condition: &str| format!("permit(principal, action, resource)\nwhen {{ {condition} }};");
    check(
        &when("context.reqest.method == \"GET\""),
        2,
        8,
        "attribute `reqest`",
        "request",
    );
    check(
        &when("context.request.methd == \"GET\""),
        2,
        8,
        "methd",
        "method",
    );
    check(&when("context.request.method == 1"), 2, 8, "types", "");
    check(&when("context.request.tool == \"x\""), 2, 8, "tool", "has");
    check(
        &when("context.request.arguments == \"x\""),
        2,
        8,
        "arguments",
        "",
    );
    check(
        &when("context.approval.id == \"x\""),
        2,
        8,
        "approval",
        "has",
    );
    check(&when("principal.labels == \"a\""), 2, 8, "types", "");
    check(&when("principal.name == \"a\""), 2, 8, "name", "");
    check(&when("resource.owner == \"a\""), 2, 8, "owner", "");
    check(&when("context.now < 5"), 2, 8, "type", "");
    check(&when("1"), 2, 8, "type", "");
    check(&when("ip(context.request.host).isLoopback()"), 2, 8, "", "");
    compiled(&[(
        "p",
        &when("context.request has tool && context.request.tool == \"x\""),
    )]);
    compiled(&[(
        "p",
        &when("context.request.query.contains(\"a=b\") && context.request.path like \"/v1/*\""),
    )]);
}

#[test]
fn what_can_never_apply_is_refused() {
    for text in [
        "permit(principal == Application::\"anton\", action, resource);",
        "permit(principal, action, resource) when { false };",
        "permit(principal is Application, action, resource);",
        "permit(principal, action == Action::\"files:read\", resource) when { action == Action::\"files:write\" };",
    ] {
        check(text, 1, 1, "can never apply", "");
    }
}

#[test]
fn broken_text_is_refused_where_it_breaks() {
    check(
        "permit(principal, action, resource)",
        1,
        36,
        "unexpected end",
        "",
    );
    check(
        "permit(principal, action, resource);\npermit(principal, action);",
        2,
        25,
        "resource",
        "",
    );
    check("allow(principal, action, resource);", 1, 1, "allow", "");
    check(
        "permit(principal, action, resource) when { 1 === 1 };",
        1,
        48,
        "unexpected token",
        "",
    );
    check(
        "permit(principal == ?principal, action, resource);",
        1,
        21,
        "templates",
        "name the application",
    );
    check(
        "permit(principal in ?foo, action, resource);",
        1,
        21,
        "templates",
        "",
    );
    check("// only a comment", 1, 1, "empty", "");
    check(
        "permit(principal, action, resource) when { \"abc };",
        1,
        44,
        "never closed",
        "",
    );
    check(
        "permit(principal, action, resource) when { 99999999999999999999 == 1 };",
        1,
        44,
        "integer",
        "",
    );
}

#[test]
fn annotations_are_known_and_well_formed() {
    let on = |annotation: &str| {
        format!("@id(\"x\")\n  {annotation}\npermit(principal, action, resource);")
    };
    for (bad, hint) in [
        ("@aproval(\"operator\")", "the annotations are"),
        ("@approval(\"boss\")", "`@approval(\"operator\")`"),
        ("@approval", "`@approval(\"operator\")`"),
        ("@ttl(\"0\")", "1 to 900"),
        ("@ttl(\"901\")", "1 to 900"),
        ("@ttl(\"+5\")", "1 to 900"),
        ("@ttl(\"5m\")", "1 to 900"),
        ("@rate(\"10\")", "10/1m"),
        ("@rate(\"0/1m\")", "10/1m"),
    ] {
        check(&on(bad), 2, 3, "@", hint);
    }
    check(
        "@ttl(\"5\") forbid(principal, action, resource);",
        1,
        1,
        "on a forbid",
        "permit",
    );
    compiled(&[(
        "p",
        &on("@approval(\"subject\") @ttl(\"300\") @rate(\"10/1m\") @description(\"x\")"),
    )]);
}

#[test]
fn errors_are_per_policy_and_all_are_told() {
    let texts = sources(&[
        (
            "b",
            "permit(principal in Application::\"a\", action, resource);",
        ),
        (
            "a",
            "\n permit(principal, action, resource) when { context.x };",
        ),
        ("c", "permit(principal, action, resource);"),
        ("d", "nonsense"),
    ]);
    let errors = compile(&texts, &vocabulary()).unwrap_err();
    let mut named: Vec<_> = errors
        .0
        .iter()
        .map(|e| e.policy.clone().unwrap().to_string())
        .collect();
    named.sort();
    assert_eq!(named, ["a", "b", "d"], "{errors}");
    let twice = sources(&[("a", "permit(principal, action, resource);"), ("a", "")]);
    let errors = compile(&twice, &vocabulary()).unwrap_err().to_string();
    assert!(errors.contains("two policies have this name"), "{errors}");
}

#[test]
fn an_empty_zone_can_still_have_guards() {
    let empty = Vocabulary {
        applications: BTreeSet::new(),
        resources: BTreeMap::new(),
    };
    let texts = sources(&[(
        "p",
        "forbid(principal, action, resource) when { context has delegation };",
    )]);
    compile(&texts, &empty).unwrap();
}

#[test]
fn the_canonical_form_is_ordered() {
    let ab = canonical_bytes(&sources(&[("a", "x"), ("b", "y")]));
    assert_eq!(ab, canonical_bytes(&sources(&[("b", "y"), ("a", "x")])));
    assert_eq!(
        ab,
        br#"[{"name":"a","cedar":"x"},{"name":"b","cedar":"y"}]"#
    );
    assert_ne!(ab, canonical_bytes(&sources(&[("a", "x"), ("b", "z")])));
}

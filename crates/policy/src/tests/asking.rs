use caracal_core::{ApprovalId, Enforcement, Label, Name, SubjectId};

use super::{Asked, SESSION, compiled};
use crate::{
    Answer, ApprovalBy, DelegationView, DenyReason, Effect, HeadPart, Obligations, Phase, Status,
};

const ALLOW: Effect = Effect::Allow;
const HOLD: Effect = Effect::Hold;
const NO_PERMIT: Effect = Effect::Deny(DenyReason::NoPermit);
const FORBIDDEN: Effect = Effect::Deny(DenyReason::Forbidden);
const FAULT: Effect = Effect::Deny(DenyReason::Fault);

const ANTON: &str = r#"permit (principal in Application::"anton",
    action == Action::"openai:models", resource == Resource::"resource://openai")"#;

fn names(names: &[Name]) -> Vec<&str> {
    names.iter().map(Name::as_str).collect()
}

/// One row: the policy's statements, and the answers at mint, at a GET and at a DELETE.
fn check(cedar: &str, expected: [Effect; 3]) {
    let policy = compiled(&[("p", cedar)]);
    let requests = [
        None,
        Some(("GET", "/v1/models")),
        Some(("DELETE", "/v1/models")),
    ];
    for (request, expected) in requests.into_iter().zip(expected) {
        let asked = Asked {
            request,
            ..Asked::new()
        };
        let answer = policy.ask(&asked.question());
        assert_eq!(answer.effect, expected, "{cedar}\n{request:?}: {answer:?}");
        assert_eq!(policy.explain(&asked.question()).answer, answer);
    }
}

#[test]
fn heads_and_conditions_decide() {
    let always = |effect| [effect; 3];
    let when = |condition: &str| format!("{ANTON} when {{ {condition} }};");
    check(&format!("{ANTON};"), always(ALLOW));
    check(
        "// none\nforbid(principal, action, resource);",
        always(FORBIDDEN),
    );
    for head in [
        "principal, action, resource",
        r#"principal is Session in Application::"anton", action, resource is Resource"#,
        r#"principal, action in [Action::"openai:chat", Action::"openai:models"], resource"#,
        r#"principal, action, resource in Resource::"resource://openai""#,
        &format!(r#"principal == Session::"{SESSION}", action, resource"#),
    ] {
        check(&format!("permit({head});"), always(ALLOW));
        check(&format!("{ANTON}; forbid({head});"), always(FORBIDDEN));
    }
    for head in [
        r#"principal in Application::"berta", action, resource"#,
        r#"principal, action == Action::"openai:chat", resource"#,
        r#"principal, action == Action::"caracal:lend", resource"#,
        r#"principal, action, resource == Resource::"resource://files""#,
        r#"principal == Session::"ses_01890a5d-ac96-774b-bcce-b302099a8058", action, resource"#,
    ] {
        check(&format!("permit({head});"), always(NO_PERMIT));
        check(&format!("{ANTON}; forbid({head});"), always(ALLOW));
    }
    for (condition, met) in [
        (r#"principal.application == Application::"anton""#, true),
        ("principal.depth < 1", true),
        (r#"principal.labels.contains("support")"#, true),
        (r#"principal.labels.contains("night")"#, false),
        ("principal has subject", true),
        (r#"context.actor.labels.contains("support")"#, true),
        (r#"context.actor.application == Application::"anton""#, true),
        (r#"context.now < datetime("2026-07-02")"#, true),
        (r#"context.now.toTime() < duration("9h")"#, false),
        (
            "context has delegation && context.delegation.depth == 2",
            true,
        ),
        ("context has approval", false),
        ("context.phase == \"mint\"", true),
        (&format!(r#"principal == Session::"{SESSION}""#), true),
        (&format!(r#"Session::"{SESSION}".depth == 0"#), true),
    ] {
        let policy = compiled(&[("p", &when(condition))]);
        let asked = Asked {
            labels: ["support".parse::<Label>().unwrap()].into(),
            ..Asked::new()
        };
        let mut question = asked.question();
        question.subject = Some(
            "sub_01890a5d-ac96-774b-bcce-b302099a8057"
                .parse::<SubjectId>()
                .unwrap(),
        );
        question.delegation = Some(DelegationView {
            id: "dlg_01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
            depth: 2,
        });
        let answer = policy.ask(&question);
        assert_eq!(
            answer.effect,
            if met { ALLOW } else { NO_PERMIT },
            "{condition}: {answer:?}"
        );
    }
}

#[test]
fn a_request_that_is_named_at_mint_is_decided_there() {
    let get = r#"when { context.request.method == "GET" };"#;
    let forbid = r#"forbid(principal, action, resource) when { context.request.method == "GET" };"#;
    let held = format!("@approval(\"operator\") {ANTON} {get}");
    let lifted = format!("{ANTON}; @approval(\"operator\") {forbid}");
    for (cedar, method, [at_gateway, at_service]) in [
        (format!("{ANTON} {get}"), "GET", [ALLOW; 2]),
        (format!("{ANTON} {get}"), "PUT", [NO_PERMIT; 2]),
        (format!("{ANTON}; {forbid}"), "GET", [FORBIDDEN; 2]),
        (format!("{ANTON}; {forbid}"), "PUT", [ALLOW; 2]),
        // The Gateway holds the call, where its body is seen; nobody else would.
        (held.clone(), "GET", [ALLOW, HOLD]),
        (held, "PUT", [NO_PERMIT; 2]),
        (lifted.clone(), "GET", [ALLOW, HOLD]),
        (lifted, "PUT", [ALLOW; 2]),
        // One that does not look at the request holds the mint.
        (
            format!("@approval(\"operator\") {ANTON};"),
            "GET",
            [HOLD; 2],
        ),
        (
            format!(
                "{ANTON} when {{ context.phase == \"mint\" && context.request.method like \"G*\" }};"
            ),
            "GET",
            [ALLOW; 2],
        ),
    ] {
        let policy = compiled(&[("p", &cedar)]);
        let asked = Asked {
            request: Some((method, "/v1/models")),
            ..Asked::new()
        };
        for (enforcement, expected) in [
            (Enforcement::Gateway, at_gateway),
            (Enforcement::Service, at_service),
        ] {
            let question = crate::Question {
                phase: Phase::Mint,
                enforcement,
                ..asked.question()
            };
            let answer = policy.ask(&question);
            assert_eq!(answer.effect, expected, "{cedar}\n{method}: {answer:?}");
        }
        // Nothing of it is taken for an answer at the call.
        let at_call = policy.ask(&asked.question());
        policy.forget();
        assert_eq!(policy.ask(&asked.question()), at_call);
    }
}

#[test]
fn what_needs_the_request_is_deferred_at_mint() {
    let get = r#"when { context.request.method == "GET" };"#;
    check(&format!("{ANTON} {get}"), [ALLOW, ALLOW, NO_PERMIT]);
    let delete =
        r#"forbid(principal, action, resource) when { context.request.method == "DELETE" };"#;
    check(&format!("{ANTON}; {delete}"), [ALLOW, ALLOW, FORBIDDEN]);
    // A deferred permit's approval holds the call, not the mint.
    check(
        &format!("@approval(\"operator\") {ANTON} {get}"),
        [ALLOW, HOLD, NO_PERMIT],
    );
    check(&format!("@approval(\"operator\") {ANTON};"), [HOLD; 3]);
    check(
        r#"permit(principal, action, resource) when { context has request.tool };"#,
        [ALLOW, NO_PERMIT, NO_PERMIT],
    );
    // Text that only looks like it.
    check(
        &format!("{ANTON} when {{ \"context.request\" != \"request\" }}; // context.request"),
        [ALLOW; 3],
    );

    let policy = compiled(&[("a", &format!("{ANTON} {get}")), ("b", delete)]);
    let asked = Asked::new();
    let answer = policy.ask(&asked.question());
    assert_eq!(names(&answer.deferred), ["a", "b"]);
    assert!(answer.determining.is_empty());
}

#[test]
fn a_service_is_not_asked_again_so_deferral_denies() {
    let get = r#"when { context.request.method == "GET" };"#;
    for (cedar, expected) in [
        (format!("{ANTON} {get}"), NO_PERMIT),
        (format!("{ANTON};"), ALLOW),
        (
            format!("{ANTON}; forbid(principal, action, resource) {get}"),
            FORBIDDEN,
        ),
        (
            format!("{ANTON}; @approval(\"operator\") forbid(principal, action, resource) {get}"),
            HOLD,
        ),
        (
            format!("{ANTON} {get} @approval(\"subject\") {ANTON};"),
            HOLD,
        ),
    ] {
        let policy = compiled(&[("p", &cedar)]);
        let asked = Asked::new();
        let mut question = asked.question();
        question.enforcement = Enforcement::Service;
        assert_eq!(policy.ask(&question).effect, expected, "{cedar}");
    }
}

#[test]
fn a_policy_that_errors_denies() {
    let overflow = "when { 9223372036854775807 + principal.depth + 1 > 0 };";
    for cedar in [
        format!("{ANTON} {overflow}"),
        format!("{ANTON}; permit(principal, action, resource) {overflow}"),
        format!("{ANTON}; forbid(principal, action, resource) {overflow}"),
        // Another session's attributes are not in view.
        format!(
            "{ANTON}; permit(principal, action, resource) when {{ Session::\"ses_01890a5d-ac96-774b-bcce-b302099a8058\".depth == 0 }};"
        ),
    ] {
        check(&cedar, [FAULT; 3]);
    }
    let policy = compiled(&[
        ("bad", &format!("{ANTON} {overflow}")),
        ("good", &format!("{ANTON};")),
    ]);
    let asked = Asked::new();
    let answer = policy.ask(&asked.question());
    assert_eq!(names(&answer.determining), ["bad"]);
    assert_eq!(answer.errors.len(), 1);
    assert!(answer.errors[0].message.contains("overflow"), "{answer:?}");
    // Outside of the slice it harms nobody.
    let other = Asked {
        application: "berta".parse().unwrap(),
        ..Asked::new()
    };
    assert_eq!(policy.ask(&other.question()).effect, NO_PERMIT);
}

#[test]
fn a_call_without_its_request_denies() {
    let policy = compiled(&[(
        "p",
        "permit(principal, action, resource) when { context.request.host like \"*\" };",
    )]);
    let asked = Asked::new();
    let mut question = asked.question();
    question.phase = Phase::Call;
    assert_eq!(policy.ask(&question).effect, FAULT);
}

fn ask(texts: &[(&str, &str)], approved: bool) -> Answer {
    let policy = compiled(texts);
    let asked = Asked::new();
    let mut question = asked.question();
    if approved {
        let id: ApprovalId = "apr_01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        question.approval = Some(id);
    }
    policy.ask(&question)
}

#[test]
fn approvals_hold_until_they_are_given() {
    use ApprovalBy::{Operator, Subject};
    let all = "(principal, action, resource)";
    let plain = format!("permit{all};");
    let by_operator = format!("@approval(\"operator\") permit{all};");
    let by_subject = format!("@approval(\"subject\") permit{all};");
    let lifted = format!("@approval(\"operator\") forbid{all};");
    let forbid = format!("forbid{all};");
    type Row<'a> = (
        &'a [(&'a str, &'a str)],
        Effect,
        Effect,
        Option<ApprovalBy>,
        &'a [&'a str],
    );
    let rows: &[Row<'_>] = &[
        (&[("a", &plain)], ALLOW, ALLOW, None, &["a"]),
        (&[("a", &by_subject)], HOLD, ALLOW, Some(Subject), &["a"]),
        (
            &[("a", &by_subject), ("b", &by_operator)],
            HOLD,
            ALLOW,
            Some(Operator),
            &["a", "b"],
        ),
        (
            &[("a", &plain), ("b", &by_operator)],
            ALLOW,
            ALLOW,
            None,
            &["a"],
        ),
        (
            &[("a", &plain), ("b", &lifted)],
            HOLD,
            ALLOW,
            Some(Operator),
            &["b"],
        ),
        (
            &[("a", &by_subject), ("b", &lifted)],
            HOLD,
            ALLOW,
            Some(Operator),
            &["a", "b"],
        ),
        (&[("a", &lifted)], NO_PERMIT, NO_PERMIT, None, &[]),
        (
            &[("a", &by_operator), ("b", &forbid)],
            FORBIDDEN,
            FORBIDDEN,
            None,
            &["b"],
        ),
        (
            &[("a", &plain), ("b", &forbid), ("c", &lifted)],
            FORBIDDEN,
            FORBIDDEN,
            None,
            &["b"],
        ),
    ];
    for (texts, before, after, by, determining) in rows {
        let answer = ask(texts, false);
        assert_eq!(answer.effect, *before, "{texts:?}");
        assert_eq!(answer.obligations.approval, *by, "{texts:?}");
        assert_eq!(names(&answer.determining), *determining, "{texts:?}");
        let answer = ask(texts, true);
        assert_eq!(answer.effect, *after, "{texts:?}");
        // Who must have given the approval stays part of the answer.
        assert_eq!(answer.obligations.approval, *by, "{texts:?}");
    }
}

#[test]
fn the_strictest_obligation_applies() {
    let all = "permit(principal, action, resource)";
    let answer = ask(
        &[
            ("a", &format!("@ttl(\"600\") @rate(\"10/1m\") {all};")),
            ("b", &format!("@ttl(\"60\") @rate(\"1/1s\") {all};")),
            (
                "c",
                &format!("@ttl(\"1\") {all} when {{ principal.depth > 5 }};"),
            ),
        ],
        false,
    );
    let expected = Obligations {
        ttl_seconds: Some(60),
        rate: Some("10/1m".to_owned()),
        approval: None,
    };
    assert_eq!(answer.obligations, expected);
    // A deferred permit shortens the mandate, and its rate waits for the call.
    let deferred =
        format!("@ttl(\"30\") @rate(\"1/1d\") {all} when {{ context.request.path like \"/*\" }};");
    let answer = ask(&[("a", &deferred)], false);
    assert_eq!(
        answer.obligations,
        Obligations {
            ttl_seconds: Some(30),
            ..Obligations::default()
        }
    );
    assert_eq!(
        ask(&[("a", "forbid(principal, action, resource);")], false).obligations,
        Obligations::default()
    );
}

#[test]
fn several_statements_share_their_policys_name() {
    let policy = compiled(&[
        ("b", &format!("{ANTON}; {ANTON};")),
        ("a", &format!("{ANTON};")),
    ]);
    assert_eq!(policy.len(), 2);
    let asked = Asked::new();
    assert_eq!(
        names(&policy.ask(&asked.question()).determining),
        ["a", "b"]
    );
    assert_eq!(
        policy.policies().map(Name::as_str).collect::<Vec<_>>(),
        ["a", "b"]
    );
}

#[test]
fn an_explanation_names_every_statement_and_what_nearly_matched() {
    let policy = compiled(&[
        (
            "a",
            &format!("{ANTON} when {{ principal.depth > 5 }};\n{ANTON};"),
        ),
        (
            "b",
            r#"permit(principal in Application::"berta", action == Action::"openai:models", resource);"#,
        ),
        (
            "c",
            r#"forbid(principal, action == Action::"openai:chat", resource);"#,
        ),
        (
            "d",
            r#"permit(principal, action, resource == Resource::"resource://files");"#,
        ),
        (
            "e",
            r#"permit(principal, action == Action::"files:read", resource == Resource::"resource://files");"#,
        ),
        (
            "f",
            r#"forbid(principal, action, resource) when { context.request.host == "x" };"#,
        ),
        (
            "g",
            "permit(principal, action, resource) when { 9223372036854775807 + principal.depth + 1 > 0 };",
        ),
    ]);
    let asked = Asked::new();
    let explanation = policy.explain(&asked.question());
    let statements: Vec<_> = explanation
        .statements
        .iter()
        .map(|s| (s.policy.as_str(), s.line, s.status.clone()))
        .collect();
    assert_eq!(
        statements[..2],
        [("a", 1, Status::ConditionNotMet), ("a", 3, Status::Permits)]
    );
    assert_eq!(statements[2], ("f", 1, Status::Deferred));
    assert!(matches!(&statements[3], ("g", 1, Status::Fault(why)) if why.contains("overflow")));
    assert_eq!(statements.len(), 4);
    let near: Vec<_> = explanation
        .near_misses
        .iter()
        .map(|n| (n.policy.as_str(), n.part, n.wanted.as_str(), n.forbids))
        .collect();
    assert_eq!(
        near,
        [
            ("b", HeadPart::Principal, "Application::\"berta\"", false),
            (
                "d",
                HeadPart::Resource,
                "Resource::\"resource://files\"",
                false
            ),
            ("c", HeadPart::Action, "Action::\"openai:chat\"", true),
        ]
    );
}

#[test]
fn nothing_permits_nothing() {
    let policy = compiled(&[]);
    assert!(policy.is_empty());
    let asked = Asked::new();
    assert_eq!(policy.ask(&asked.question()).effect, NO_PERMIT);
}

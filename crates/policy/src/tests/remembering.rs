use super::{Asked, SESSION, compiled};
use crate::{DelegationView, RequestView};

/// Conditions that look at one part each; where they share no part, they are also asked together.
const CONDITIONS: &[&str] = &[
    r#"context.request.method == "GET""#,
    r#"context.request.host == "api.openai.com""#,
    r#"context.request.path == "/v1/models""#,
    r#"context.request has tool"#,
    r#"context has request && resource == Resource::"resource://openai""#,
    r#"context.request.method == "GET" && action == Action::"openai:chat""#,
    r#"context.request.method == "GET" && resource == Resource::"resource://openai""#,
    r#"context.request.method == "GET" && principal.labels.contains("night")"#,
    r#"context.request.method == "GET" && principal.application == Application::"anton""#,
    r#"context.request.method == "GET" && context has delegation"#,
    r#"context.request.method == "GET" && context.now < datetime("2026-07-02")"#,
    r#"context.request.query.contains("a=1")"#,
];

/// Whatever was asked before, the answer is that of policies which were never asked anything.
#[test]
fn what_was_asked_before_changes_no_answer() {
    let mut bundles: Vec<Vec<String>> = CONDITIONS
        .iter()
        .map(|condition| {
            vec![format!(
                "permit(principal, action, resource) when {{ {condition} }};"
            )]
        })
        .collect();
    let together = CONDITIONS.iter().enumerate().map(|(n, condition)| {
        let effect = if n % 3 == 2 { "forbid" } else { "permit" };
        format!("{effect}(principal, action, resource) when {{ {condition} }};")
    });
    bundles.push(together.collect());
    let pinned = format!(
        r#"forbid(principal == Session::"{SESSION}", action, resource) when {{ context.request.method == "GET" }};"#
    );
    bundles.push(vec![
        r#"permit(principal, action, resource) when { context.request.method == "GET" };"#
            .to_owned(),
        pinned,
    ]);
    for statements in bundles {
        let text = statements.join("\n");
        let [warm, cold] = [(); 2].map(|()| compiled(&[("p", &text)]));
        // Twice, so that everything is asked cold and warm, and after everything else.
        for _ in 0..2 {
            each_question(|question| {
                cold.forget();
                assert_eq!(
                    warm.ask(question),
                    cold.ask(question),
                    "{text}\n{question:?}"
                );
            });
        }
    }
}

fn each_question(mut ask: impl FnMut(&crate::Question<'_>)) {
    let query = vec!["a=1".to_owned()];
    let mut asked = Asked::new();
    let other_session = "ses_01890a5d-ac96-774b-bcce-b302099a8058".parse().unwrap();
    for application in ["anton", "berta"] {
        asked.application = application.parse().unwrap();
        for labels in [&[][..], &["night"]] {
            asked.labels = labels.iter().map(|label| label.parse().unwrap()).collect();
            for (action, resource) in [
                ("openai:models", "resource://openai"),
                ("openai:chat", "resource://openai"),
                ("files:read", "resource://files"),
            ] {
                asked.action = action.to_owned();
                asked.resource = resource.parse().unwrap();
                for (method, path, host) in [
                    ("GET", "/v1/models", "api.openai.com"),
                    ("GET", "/v1/chat", "api.openai.com"),
                    ("DELETE", "/v1/models", "api.openai.com"),
                    ("GET", "/v1/models", "elsewhere"),
                ] {
                    asked.request = Some((method, path));
                    let mut question = asked.question();
                    question.request = Some(RequestView {
                        method,
                        path,
                        host,
                        query: &[],
                        tool: None,
                        arguments: None,
                    });
                    ask(&question);
                    question.session = other_session;
                    ask(&question);
                    question.delegation = Some(DelegationView {
                        id: "dlg_01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
                        depth: 1,
                    });
                    ask(&question);
                    question.now = "2026-08-01T12:00:00Z".parse().unwrap();
                    ask(&question);
                    if let Some(request) = &mut question.request {
                        request.query = &query;
                        request.tool = Some("search");
                    }
                    ask(&question);
                }
                asked.request = None;
                ask(&asked.question());
            }
        }
    }
}

/// What one session on a path is forbidden says nothing about the next, whatever the conditions.
#[test]
fn sessions_of_a_path_are_each_asked_for_themselves() {
    const OTHER: &str = "ses_01890a5d-ac96-774b-bcce-b302099a8058";
    let mut bundles: Vec<String> = [
        r#"when { context.now < datetime("2026-07-02") }"#,
        r#"when { context.now > datetime("2026-07-02") }"#,
        r#"when { principal.labels.contains("night") }"#,
        r#"unless { principal.labels.contains("night") }"#,
        r#"when { principal.depth > 1 }"#,
        r#"when { context.actor.application == Application::"berta" }"#,
        r#"when { context.actor.labels.contains("night") }"#,
        "",
    ]
    .iter()
    .map(|condition| format!("forbid(principal, action, resource) {condition};"))
    .collect();
    bundles.push(r#"forbid(principal in Application::"berta", action, resource);"#.to_owned());
    bundles.push(format!(
        r#"forbid(principal == Session::"{OTHER}", action, resource);"#
    ));
    bundles.push(bundles.join("\n"));
    let actor = "berta".parse().unwrap();
    let labels = ["night".parse().unwrap()].into();
    let mut denied = 0;
    for text in &bundles {
        let text = format!("permit(principal, action, resource); {text}");
        let policy = compiled(&[("p", &text)]);
        for acts in [
            None,
            Some(crate::Actor {
                application: &actor,
                labels: &labels,
            }),
        ] {
            let mut on_path = policy.forbids_on_path();
            for n in 0..16 {
                let mut asked = Asked::new();
                if n & 1 > 0 {
                    asked.application = "berta".parse().unwrap();
                }
                if n & 2 > 0 {
                    asked.labels = ["night".parse().unwrap()].into();
                }
                let mut question = asked.question();
                if n & 4 > 0 {
                    question.session = OTHER.parse().unwrap();
                }
                question.depth = n / 4;
                question.actor = acts;
                let found = on_path.ask(&question);
                let alone = policy.forbids_on_path().ask(&question);
                assert_eq!(found, alone, "{text}\n{question:?}");
                // Everything is permitted, so that only what forbids denies.
                assert_eq!(
                    found.effect,
                    policy.ask(&question).effect,
                    "{text}\n{question:?}"
                );
                denied += u32::from(!found.is_allowed());
            }
        }
    }
    assert!(denied > 100 && denied < 11 * 32 - 100, "{denied}");
}

use std::fmt::Write as _;

use caracal_core::{MAX_POLICY_BYTES, PolicySource};

use super::{Asked, compiled, refused, sources, vocabulary};
use crate::scan::{MAX_BRACKETS, MAX_DEPTH};
use crate::{Effect, Explanation, MAX_STATEMENTS, MAX_UNSCOPED, compile};

fn when(condition: &str) -> String {
    format!("permit(principal, action, resource) when {{ {condition} }};")
}

#[test]
fn hostile_texts_get_a_clear_error() {
    let deep = format!("{}true{}", "(".repeat(10_000), ")".repeat(10_000));
    for (text, why) in [
        (when(&deep), "brackets nest deeper than 64"),
        (when(&"[".repeat(500_000)), "brackets nest deeper than 64"),
        (when(&vec!["true"; 100_000].join("&&")), "levels deep"),
        (format!("{}true", when(&"!".repeat(500_000))), "levels deep"),
        ("x".repeat(5 * 1024 * 1024), "the limit is 1048576"),
        (
            when(&format!("\"{}\" == \"\"", "*".repeat(5000))),
            "2048 bytes",
        ),
        (
            format!(
                "permit(principal, action in [{}], resource);",
                ["Action::\"files:read\""; 300].join(",")
            ),
            "names 300 actions",
        ),
        ("(".to_owned(), "still open"),
        ("\u{0}".to_owned(), "no meaning"),
        ("@".repeat(1000), "unexpected"),
        (";".repeat(1000), "unexpected"),
    ] {
        let errors = refused(&text).to_string();
        assert!(
            errors.contains(why),
            "{}…: {errors}",
            text.chars().take(60).collect::<String>()
        );
    }
}

#[test]
fn the_number_of_statements_is_limited() {
    let unscoped = "permit(principal, action, resource);".repeat(MAX_UNSCOPED + 1);
    assert!(
        refused(&unscoped)
            .to_string()
            .contains("257 statements restrict no")
    );
    let scoped =
        "permit(principal in Application::\"anton\", action, resource);".repeat(MAX_STATEMENTS + 1);
    assert!(
        refused(&scoped)
            .to_string()
            .contains("more than 10000 statements")
    );
    let many = "permit(principal in Application::\"antn\", action, resource);".repeat(1000);
    assert!(refused(&many).0.len() <= 51);
}

/// Runs on a stack as small as an async worker's, half of it already used.
fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(f)
        .unwrap();
    thread.join().unwrap();
}

#[test]
fn the_deepest_policy_is_evaluated_on_a_small_stack() {
    let chain = |n: usize, operator: &str, leaf: &str| vec![leaf; n].join(operator);
    // Each is the deepest of its kind that is accepted.
    let kinds: Vec<Box<dyn Fn(usize) -> String>> = vec![
        Box::new(move |n| when(&chain(n, " && ", "principal.depth == 0"))),
        Box::new(move |n| {
            when(&format!(
                "{} || true",
                chain(n, " || ", "principal.depth == 1")
            ))
        }),
        Box::new(move |n| when(&format!("{} == 0", chain(n, " + ", "principal.depth")))),
        Box::new(|n| when(&format!("{}true{}", "(".repeat(n), ")".repeat(n)))),
        Box::new(|n| {
            when(&format!(
                "{}principal.depth == 0{}",
                "!!(".repeat(n),
                ")".repeat(n)
            ))
        }),
        Box::new(|n| {
            when(&format!(
                "{}true",
                "if principal.depth == 1 then false else ".repeat(n)
            ))
        }),
        Box::new(|n| {
            let set = format!("{}principal.depth{}", "[".repeat(n), "]".repeat(n));
            when(&format!("{set} == {set}"))
        }),
        Box::new(|n| {
            format!(
                "permit(principal, action, resource) {};",
                "when { principal.depth == 0 }".repeat(n)
            )
        }),
        Box::new(|n| {
            format!(
                "permit(principal, action, resource) {};",
                "unless { principal.depth == 1 }".repeat(n)
            )
        }),
        Box::new(|n| {
            let inner = (0..n).fold("1".to_owned(), |inner, _| format!("{{a: {inner}}}"));
            when(&format!("{inner} == {inner}"))
        }),
    ];
    for kind in kinds {
        let accepted = |n: usize| {
            let text = kind(n);
            let result = compile(&sources(&[("p", &text)]), &vocabulary());
            match result {
                Ok(policy) => Some(policy),
                Err(errors) => {
                    let why = errors.to_string();
                    assert!(
                        why.contains("levels deep") || why.contains("nest deeper"),
                        "{}: {why}",
                        &text[..100.min(text.len())]
                    );
                    None
                }
            }
        };
        let (mut low, mut high) = (1, MAX_DEPTH + MAX_BRACKETS);
        while low + 1 < high {
            let middle = usize::midpoint(low, high);
            if accepted(middle).is_some() {
                low = middle
            } else {
                high = middle
            }
        }
        let policy = accepted(low).unwrap();
        on_a_small_stack(move || {
            let asked = Asked {
                request: Some(("GET", "/")),
                ..Asked::new()
            };
            let answer = policy.ask(&asked.question());
            assert_eq!(answer.effect, Effect::Allow, "{low}: {:?}", answer.errors);
            drop(policy);
        });
    }
}

#[test]
fn a_full_bundle_compiles_in_seconds() {
    let vocabulary = {
        let mut vocabulary = vocabulary();
        for r in 0..100 {
            let scopes = (0..10)
                .map(|s| format!("r{r}:s{s}").parse().unwrap())
                .collect();
            vocabulary
                .resources
                .insert(format!("r{r}").parse().unwrap(), scopes);
        }
        vocabulary
    };
    let mut text = String::new();
    for i in 0..3000 {
        let (r, s) = (i % 100, i / 100 % 10);
        writeln!(text, "permit(principal in Application::\"anton\", action == Action::\"r{r}:s{s}\", resource == Resource::\"resource://r{r}\") when {{ principal.depth < {i} }};").unwrap();
    }
    assert!(text.len() < MAX_POLICY_BYTES);
    let many = PolicySource {
        name: "many".parse().unwrap(),
        cedar: text,
    };
    let policy = compile(&[many], &vocabulary).unwrap();
    let asked = Asked {
        action: "r7:s3".to_owned(),
        resource: "resource://r7".parse().unwrap(),
        ..Asked::new()
    };
    let explanation = policy.explain(&asked.question());
    assert_eq!(explanation.answer.effect, Effect::Allow);
    assert_eq!(explanation.statements.len(), 3);
    assert_eq!(explanation.near_misses.len(), Explanation::MAX_NEAR_MISSES);
    assert!(
        compiled(&[])
            .explain(&asked.question())
            .near_misses
            .is_empty()
    );
}

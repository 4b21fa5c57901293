use std::str::FromStr as _;

use cedar_policy::{Authorizer, Decision, PolicyId, PolicySet};
use proptest::prelude::*;

use super::{Asked, SESSION, compiled};
use crate::usage::Usage;
use crate::world::{Types, World};
use crate::{DenyReason, Effect};

const OTHER: &str = "ses_01890a5d-ac96-774b-bcce-b302099a8058";

fn heads() -> impl Strategy<Value = String> {
    let who = prop_oneof![
        Just("principal".to_owned()),
        Just("principal is Session".to_owned()),
        prop_oneof![Just("anton"), Just("berta")]
            .prop_map(|a| format!("principal in Application::\"{a}\"")),
        Just("principal is Session in Application::\"anton\"".to_owned()),
        prop_oneof![Just(SESSION), Just(OTHER)]
            .prop_map(|s| format!("principal == Session::\"{s}\"")),
    ];
    // Action and resource together, so that no pinned resource lacks the pinned scope.
    let what = prop_oneof![
        Just("action, resource"),
        Just("action, resource is Resource"),
        Just("action == Action::\"openai:models\", resource"),
        Just("action in [Action::\"openai:chat\", Action::\"files:read\"], resource"),
        Just("action in Action::\"files:read\", resource"),
        Just("action, resource == Resource::\"resource://openai\""),
        Just("action, resource in Resource::\"resource://files\""),
        Just("action == Action::\"openai:models\", resource == Resource::\"resource://openai\""),
        Just(
            "action in [Action::\"files:read\", Action::\"files:read\", Action::\"caracal:lend\"], resource is Resource in Resource::\"resource://files\""
        ),
    ];
    (who, what).prop_map(|(who, what)| format!("({who}, {what})"))
}

fn statements() -> impl Strategy<Value = String> {
    let condition = prop_oneof![
        4 => Just(""),
        1 => Just("when { context.request.method == \"GET\" }"),
        1 => Just("unless { principal.labels.contains(\"support\") }"),
        1 => Just("when { context.now < datetime(\"2027-01-01\") && context.phase == \"call\" }"),
        1 => Just("when { context.actor.application == Application::\"berta\" }"),
        1 => Just("when { context has approval || resource == Resource::\"resource://files\" }"),
        1 => Just("when { 9223372036854775807 + principal.depth > 0 }"),
    ];
    let effect = prop_oneof![3 => Just("permit"), 1 => Just("forbid")];
    (effect, heads(), condition).prop_map(|(effect, head, when)| format!("{effect}{head} {when};"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Cedar's own authorizer over the full set is the measure.
    #[test]
    fn the_slice_answers_as_the_full_set(
        texts in prop::collection::vec(statements(), 0..12),
        application in prop_oneof![Just("anton"), Just("berta")],
        (action, resource) in prop_oneof![
            Just(("openai:models", "openai")), Just(("openai:chat", "openai")),
            Just(("files:read", "files")), Just(("files:write", "files")),
            Just(("caracal:lend", "files")), Just(("openai:models", "files")),
        ],
        method in prop_oneof![Just("GET"), Just("POST")],
        support in any::<bool>(),
        depth in 0_u32..2,
    ) {
        let named: Vec<(String, &String)> =
            texts.iter().enumerate().map(|(i, text)| (format!("p{i:02}"), text)).collect();
        let sources: Vec<(&str, &str)> =
            named.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let policy = compiled(&sources);
        let mut asked = Asked {
            application: application.parse().unwrap(),
            action: action.to_owned(),
            resource: format!("resource://{resource}").parse().unwrap(),
            request: Some((method, "/x")),
            ..Asked::new()
        };
        if support {
            asked.labels.insert("support".parse().unwrap());
        }
        let mut question = asked.question();
        question.depth = depth;
        let answer = policy.ask(&question);

        let mut full = PolicySet::new();
        for (name, text) in &named {
            let parsed = cedar_policy::Policy::parse(Some(PolicyId::new(name)), text).unwrap();
            full.add(parsed).unwrap();
        }
        let all = Usage::of(&serde_json::json!({ "conditions": { "Var": "context" } }));
        let types = Types::new().unwrap();
        let world = World::new(&question, question.request.as_ref(), all, &types).unwrap();
        let response = Authorizer::new().is_authorized(&world.request, &full, &world.entities);

        let faults: Vec<String> = response
            .diagnostics()
            .errors()
            .map(|e| match e {
                cedar_policy::AuthorizationError::PolicyEvaluationError(e) => e.policy_id().to_string(),
            })
            .collect();
        let mut determining: Vec<String> = if faults.is_empty() {
            response.diagnostics().reason().map(ToString::to_string).collect()
        } else {
            faults.clone()
        };
        determining.sort();
        let expected = match response.decision() {
            _ if !faults.is_empty() => Effect::Deny(DenyReason::Fault),
            Decision::Allow => Effect::Allow,
            Decision::Deny if determining.is_empty() => Effect::Deny(DenyReason::NoPermit),
            Decision::Deny => Effect::Deny(DenyReason::Forbidden),
        };
        prop_assert_eq!(answer.effect, expected);
        let own: Vec<String> = answer.determining.iter().map(ToString::to_string).collect();
        prop_assert_eq!(own, determining);
        prop_assert_eq!(answer.errors.len(), faults.len());
    }

    /// What Cedar parses, the scan lets through in as many pieces.
    #[test]
    fn the_scan_cuts_as_cedar_does(texts in prop::collection::vec(statements(), 0..8)) {
        let text = texts.join("// ; (\n");
        let pieces = crate::scan::scan(&text).unwrap();
        let parsed = PolicySet::from_str(&text).unwrap();
        prop_assert_eq!(pieces.len(), parsed.policies().count());
    }

    /// Whatever the text, there is an answer and no abort.
    #[test]
    fn any_text_is_survived(text in "[-a-z(){}\\[\\]\"\\\\@?!&|=.,;:/ \n\u{e9}]{0,200}") {
        let sources = super::sources(&[("p", &text)]);
        let _ = crate::compile(&sources, &super::vocabulary());
    }
}

//! How long one question takes: `cargo run --release -p caracal-policy --example timing`.

use std::time::Instant;

use caracal_core::{Enforcement, PolicySource};
use caracal_policy::{Phase, Question, RequestView, Vocabulary, compile};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for scoped in [10, 100, 1000] {
        let mut vocabulary = Vocabulary::default();
        let mut policies = Vec::new();
        for i in 0..scoped {
            vocabulary.applications.insert(format!("app{i}").parse()?);
            vocabulary.resources.insert(
                format!("res{i}").parse()?,
                vec![format!("res{i}:read").parse()?],
            );
            policies.push(PolicySource {
                name: format!("p{i}").parse()?,
                cedar: format!(
                    "permit (principal in Application::\"app{i}\", action == Action::\"res{i}:read\", resource == Resource::\"resource://res{i}\") when {{ context.request.method == \"GET\" && context.request.path like \"/v1/*\" && context.now < datetime(\"2030-01-01\") && principal.labels.contains(\"support\") }};"
                ),
            });
        }
        policies.push(PolicySource {
            name: "guard".parse()?,
            cedar: "forbid (principal, action, resource) when { context.request.method == \"DELETE\" };".to_owned(),
        });
        let started = Instant::now();
        let policy = compile(&policies, &vocabulary)?;
        let compiled = started.elapsed();
        let application = "app7".parse()?;
        let resource = "resource://res7".parse()?;
        let labels = ["support".parse()?].into();
        let question = Question {
            phase: Phase::Call,
            application: &application,
            session: "ses_01890a5d-ac96-774b-bcce-b302099a8057".parse()?,
            labels: &labels,
            depth: 0,
            subject: None,
            action: "res7:read",
            resource: &resource,
            now: "2026-07-01T12:00:00Z".parse()?,
            actor: None,
            delegation: None,
            approval: None,
            enforcement: Enforcement::Gateway,
            request: Some(RequestView {
                method: "GET",
                path: "/v1/models",
                host: "api.example.com",
                query: &[],
                tool: None,
                arguments: None,
            }),
        };
        assert!(policy.ask(&question).is_allowed());
        let rounds = 20_000_u32;
        let started = Instant::now();
        for _ in 0..rounds {
            std::hint::black_box(policy.ask(std::hint::black_box(&question)));
        }
        let each = started.elapsed() / rounds;
        #[expect(clippy::print_stdout, reason = "an example that a person reads")]
        {
            println!("{scoped} policies: compiled in {compiled:?}, {each:?} a question");
        }
    }
    Ok(())
}

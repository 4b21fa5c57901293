//! Tests of the crate as a whole: text in, answers out.

mod asking;
mod checking;
mod limits;
mod remembering;
mod slicing;

use std::collections::BTreeSet;

use caracal_core::{Enforcement, Label, Name, PolicySource, ResourceIdentifier, SessionId};

use crate::{CompiledPolicy, Phase, PolicyErrors, Question, RequestView, Vocabulary, compile};

/// The session that every question is asked for.
const SESSION: &str = "ses_01890a5d-ac96-774b-bcce-b302099a8057";

fn vocabulary() -> Vocabulary {
    let resource = |name: &str, scopes: &[&str]| {
        (
            name.parse().unwrap(),
            scopes.iter().map(|s| s.parse().unwrap()).collect(),
        )
    };
    Vocabulary {
        applications: ["anton", "berta"]
            .iter()
            .map(|n| n.parse().unwrap())
            .collect(),
        resources: [
            resource("openai", &["openai:models", "openai:chat"]),
            resource("files", &["files:read", "files:write"]),
        ]
        .into(),
    }
}

fn sources(texts: &[(&str, &str)]) -> Vec<PolicySource> {
    texts
        .iter()
        .map(|(name, cedar)| PolicySource {
            name: name.parse().unwrap(),
            cedar: (*cedar).to_owned(),
        })
        .collect()
}

fn compiled(texts: &[(&str, &str)]) -> CompiledPolicy {
    compile(&sources(texts), &vocabulary()).unwrap_or_else(|e| panic!("{e}"))
}

fn refused(text: &str) -> PolicyErrors {
    compile(&sources(&[("p", text)]), &vocabulary()).expect_err(text)
}

/// A question that is easy to vary.
struct Asked {
    application: Name,
    labels: BTreeSet<Label>,
    action: String,
    resource: ResourceIdentifier,
    request: Option<(&'static str, &'static str)>,
    tool: Option<&'static str>,
    query: Vec<String>,
}

impl Asked {
    fn new() -> Self {
        Self {
            application: "anton".parse().unwrap(),
            labels: BTreeSet::new(),
            action: "openai:models".to_owned(),
            resource: "resource://openai".parse().unwrap(),
            request: None,
            tool: None,
            query: Vec::new(),
        }
    }

    /// As a question at the call when there is a request, else at mint.
    fn question(&self) -> Question<'_> {
        Question {
            phase: if self.request.is_some() {
                Phase::Call
            } else {
                Phase::Mint
            },
            application: &self.application,
            session: SESSION.parse::<SessionId>().unwrap(),
            labels: &self.labels,
            depth: 0,
            subject: None,
            action: &self.action,
            resource: &self.resource,
            now: "2026-07-01T12:00:00Z".parse().unwrap(),
            actor: None,
            delegation: None,
            approval: None,
            enforcement: Enforcement::Gateway,
            request: self.request.map(|(method, path)| RequestView {
                method,
                path,
                host: "api.openai.com",
                query: &self.query,
                tool: self.tool,
                arguments: None,
            }),
        }
    }
}

//! Statements that nearly match.

use super::CompiledPolicy;
use crate::statement::{Statement, Who};
use crate::{Explanation, HeadPart, NearMiss, Question};

impl CompiledPolicy {
    /// The statements of which one head part differs, permits first.
    pub(super) fn near_misses(&self, question: &Question<'_>) -> Vec<NearMiss> {
        let of = |forbids: bool| {
            self.statements
                .iter()
                .filter(move |s| s.forbids == forbids)
                .filter_map(move |s| {
                    let (part, wanted) = the_difference(s, question)?;
                    let policy = self.name_of(s)?.clone();
                    Some(NearMiss {
                        policy,
                        line: s.line,
                        forbids,
                        part,
                        wanted,
                    })
                })
        };
        of(false)
            .chain(of(true))
            .take(Explanation::MAX_NEAR_MISSES)
            .collect()
    }
}

fn the_difference(statement: &Statement, question: &Question<'_>) -> Option<(HeadPart, String)> {
    let head = &statement.head;
    let who = match &head.who {
        Who::Any => None,
        Who::Application(name) if name == question.application.as_str() => None,
        Who::Application(name) => Some(format!("Application::\"{name}\"")),
        Who::Session(id) if *id == question.session => None,
        Who::Session(id) => Some(format!("Session::\"{id}\"")),
    };
    let action = match &head.actions {
        None => None,
        Some(actions) if actions.iter().any(|action| action == question.action) => None,
        Some(actions) => {
            let shown: Vec<_> = actions
                .iter()
                .take(5)
                .map(|a| format!("Action::\"{a}\""))
                .collect();
            let more = if actions.len() > shown.len() {
                ", …"
            } else {
                ""
            };
            Some(shown.join(", ") + more)
        }
    };
    let resource = match &head.resource {
        None => None,
        Some(name) if name == question.resource.name().as_str() => None,
        Some(name) => Some(format!("Resource::\"resource://{name}\"")),
    };
    match (who, action, resource) {
        (Some(wanted), None, None) => Some((HeadPart::Principal, wanted)),
        (None, Some(wanted), None) => Some((HeadPart::Action, wanted)),
        (None, None, Some(wanted)) => Some((HeadPart::Resource, wanted)),
        _ => None,
    }
}

//! Which statements a question can match.

use std::collections::HashMap;

use caracal_core::SessionId;

use crate::Question;
use crate::statement::{Statement, Who};

/// Statements by the three parts of their heads. Each part is a small number, 0 for any, so
/// that a question is twelve look-ups, however many statements there are.
#[derive(Debug, Default)]
pub(crate) struct Index {
    applications: HashMap<String, u32>,
    sessions: HashMap<SessionId, u32>,
    actions: HashMap<String, u32>,
    resources: HashMap<String, u32>,
    heads: HashMap<(u32, u32, u32), Vec<usize>>,
}

const ANY: u32 = 0;

impl Index {
    /// The index of the wanted statements, by their positions among all.
    pub(crate) fn new(statements: &[Statement], wanted: impl Fn(&Statement) -> bool) -> Self {
        let mut index = Self::default();
        let all = statements.iter().enumerate();
        for (position, statement) in all.filter(|(_, statement)| wanted(statement)) {
            let head = &statement.head;
            // One numbering for both, so that they share the first part of the key.
            let next = number(index.applications.len() + index.sessions.len());
            let who = match &head.who {
                Who::Any => ANY,
                Who::Application(name) => *index.applications.entry(name.clone()).or_insert(next),
                Who::Session(id) => *index.sessions.entry(*id).or_insert(next),
            };
            let resource = match &head.resource {
                None => ANY,
                Some(name) => intern(&mut index.resources, name),
            };
            let mut actions = match &head.actions {
                None => vec![ANY],
                Some(names) => names
                    .iter()
                    .map(|name| intern(&mut index.actions, name))
                    .collect(),
            };
            actions.sort_unstable();
            actions.dedup();
            for action in actions {
                index
                    .heads
                    .entry((who, action, resource))
                    .or_default()
                    .push(position);
            }
        }
        index
    }

    /// The statements whose head matches a question, in their order.
    pub(crate) fn matching(&self, question: &Question<'_>) -> Vec<usize> {
        self.find(
            question.application.as_str(),
            question.session,
            question.action,
            question.resource.name().as_str(),
        )
    }

    fn find(
        &self,
        application: &str,
        session: SessionId,
        action: &str,
        resource: &str,
    ) -> Vec<usize> {
        if self.heads.is_empty() {
            return Vec::new();
        }
        // Most policies pin no session; then the look-up need not be made.
        let session = if self.sessions.is_empty() {
            None
        } else {
            self.sessions.get(&session).copied()
        };
        let who = [
            Some(ANY),
            self.applications.get(application).copied(),
            session,
        ];
        let actions = [Some(ANY), self.actions.get(action).copied()];
        let resources = [Some(ANY), self.resources.get(resource).copied()];
        let mut slice = Vec::new();
        for who in who.into_iter().flatten() {
            for action in actions.into_iter().flatten() {
                for resource in resources.into_iter().flatten() {
                    if let Some(found) = self.heads.get(&(who, action, resource)) {
                        slice.extend_from_slice(found);
                    }
                }
            }
        }
        slice.sort_unstable();
        slice
    }
}

fn intern(numbers: &mut HashMap<String, u32>, name: &str) -> u32 {
    let next = number(numbers.len());
    *numbers.entry(name.to_owned()).or_insert(next)
}

/// The number after these many; the size of a bundle keeps it far from the limit.
fn number(taken: usize) -> u32 {
    u32::try_from(taken).unwrap_or(u32::MAX - 1) + 1
}

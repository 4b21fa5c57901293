//! What forbids the sessions of one path.

use super::CompiledPolicy;
use crate::statement::Statement;
use crate::usage::Usage;
use crate::{Answer, Question};

/// Asks only what forbids, about the sessions of one path, one after another. It allows unless a
/// forbid matches or fails, holds where an approval would lift what matches, and permits nothing
/// by itself: the root of the path was asked in full.
///
/// The questions differ in their session alone; what forbids one by conditions that do not look
/// at the session is not evaluated again for the next.
#[derive(Debug)]
pub struct ForbidsOnPath<'p> {
    policy: &'p CompiledPolicy,
    /// The statements of the last answer that the next one may share.
    last: Option<(Vec<usize>, Answer)>,
}

impl CompiledPolicy {
    /// For the sessions of a path; none is asked about yet.
    pub fn forbids_on_path(&self) -> ForbidsOnPath<'_> {
        ForbidsOnPath {
            policy: self,
            last: None,
        }
    }
}

impl ForbidsOnPath<'_> {
    /// Asks about the next session.
    pub fn ask(&mut self, question: &Question<'_>) -> Answer {
        let policy = self.policy;
        let positions = policy.forbids.matching(question);
        if let Some((same, answer)) = &self.last
            && *same == positions
        {
            return answer.clone();
        }
        let slice = positions.iter().filter_map(|at| policy.statements.get(*at));
        let used = slice.map(used).fold(Usage::default(), Usage::or);
        let outcomes = policy.evaluate(question, &positions);
        let answer = policy.decide_forbids(question, &outcomes);
        // Without an actor the session's own application stands for it.
        let differs = used.session || (used.actor && question.actor.is_none());
        self.last = (!differs).then(|| (positions, answer.clone()));
        answer
    }
}

fn used(statement: &Statement) -> Usage {
    let conditions = statement.condition.as_ref();
    conditions.map_or_else(Usage::default, |_| statement.usage)
}

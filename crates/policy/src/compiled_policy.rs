//! Policies that can be asked.

mod decide;
mod forbids;
mod memo;
mod near_miss;

use caracal_core::{Enforcement, Name};
use cedar_policy::{EvalResult, Expression, eval_expression};

use crate::index::Index;
use crate::statement::Statement;
use crate::usage::Usage;
use crate::world::{Types, World};
use crate::{Answer, Explanation, Phase, Question, StatementStatus, Status};
pub use forbids::ForbidsOnPath;
use memo::{Key, Memo};

/// A checked set of policies. Only [`crate::compile`] builds one; share it in an `Arc`.
#[derive(Debug)]
pub struct CompiledPolicy {
    names: Vec<Name>,
    statements: Vec<Statement>,
    index: Index,
    /// Those that forbid alone: they are asked for every session on a path.
    forbids: Index,
    types: Types,
    memo: Memo,
}

/// What became of one statement of the slice.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Matches,
    ConditionNotMet,
    Fault(String),
    /// It needs the request, and there is none yet.
    Deferred,
}

impl CompiledPolicy {
    pub(crate) fn new(names: Vec<Name>, statements: Vec<Statement>) -> Result<Self, String> {
        let index = Index::new(&statements, |_| true);
        let forbids = Index::new(&statements, |statement| statement.forbids);
        Ok(Self {
            names,
            statements,
            index,
            forbids,
            types: Types::new()?,
            memo: Memo::default(),
        })
    }

    /// Answers a question. It evaluates only the statements whose heads match; it needs less
    /// than 1 MiB of stack and is quick enough for an async worker.
    pub fn ask(&self, question: &Question<'_>) -> Answer {
        self.decide(
            question,
            &self.evaluate(question, &self.index.matching(question)),
        )
    }

    /// As if nothing had been asked yet.
    #[cfg(test)]
    pub(crate) fn forget(&self) {
        self.memo.forget();
    }

    /// Answers a question and says how every statement of the slice stands to it.
    pub fn explain(&self, question: &Question<'_>) -> Explanation {
        let outcomes = self.evaluate(question, &self.index.matching(question));
        let statements = outcomes
            .iter()
            .filter_map(|(statement, outcome)| {
                Some(StatementStatus {
                    policy: self.name_of(statement)?.clone(),
                    line: statement.line,
                    status: match outcome {
                        Outcome::Matches if statement.forbids => Status::Forbids,
                        Outcome::Matches => Status::Permits,
                        Outcome::ConditionNotMet => Status::ConditionNotMet,
                        Outcome::Fault(why) => Status::Fault(why.clone()),
                        Outcome::Deferred => Status::Deferred,
                    },
                })
            })
            .collect();
        Explanation {
            answer: self.decide(question, &outcomes),
            statements,
            near_misses: self.near_misses(question),
        }
    }

    /// The names of the policies, in order.
    pub fn policies(&self) -> impl Iterator<Item = &Name> {
        self.names.iter()
    }

    /// The statements with `@rate`, each as its policy and line. Whoever asks must hold to the
    /// rates of its answers, or refuse such policies.
    pub fn rated(&self) -> impl Iterator<Item = (&Name, usize)> {
        let rated = self
            .statements
            .iter()
            .filter(|s| s.obligation.rate.is_some());
        rated.filter_map(|statement| Some((self.name_of(statement)?, statement.line)))
    }

    /// The number of policies.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True when there is no policy: everything is denied.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    fn name_of(&self, statement: &Statement) -> Option<&Name> {
        self.names.get(statement.policy)
    }

    /// The statements at these positions, and what became of each.
    fn evaluate(&self, question: &Question<'_>, positions: &[usize]) -> Vec<(&Statement, Outcome)> {
        let found = |at: &usize| self.statements.get(*at);
        let slice: Vec<&Statement> = positions.iter().filter_map(found).collect();
        let is_mint = question.phase == Phase::Mint;
        let deferred = |s: &Statement| is_mint && question.request.is_none() && s.usage.request;
        // Where the Gateway asks again, the call is what a person sees and decides about.
        let held_at_call = |s: &Statement| {
            is_mint
                && s.usage.request
                && s.obligation.approval.is_some()
                && question.enforcement == Enforcement::Gateway
        };
        let evaluated = |s: &&&Statement| s.condition.is_some() && !deferred(s);
        let used = slice.iter().filter(evaluated).map(|s| s.usage);
        let used = used.reduce(Usage::or);
        let shown = question.request.as_ref();
        let key = used.and_then(|usage| Key::of(positions, usage, question, shown));
        if let Some(known) = key.as_ref().and_then(|key| self.memo.find(key)) {
            return slice.into_iter().zip(known.iter().cloned()).collect();
        }
        // Heads are matched by the index; a world is built only for conditions.
        let world = used.map(|usage| World::new(question, shown, usage, &self.types));
        let evaluated: Vec<_> = slice
            .into_iter()
            .map(|statement| {
                let outcome = match (&statement.condition, &world) {
                    _ if deferred(statement) => Outcome::Deferred,
                    _ if statement.usage.request && shown.is_none() => {
                        Outcome::Fault("the request is not known".to_owned())
                    }
                    (None, _) => Outcome::Matches,
                    (Some(condition), Some(Ok(world))) if held_at_call(statement) => {
                        match run(condition, world) {
                            Outcome::Matches => Outcome::Deferred,
                            outcome => outcome,
                        }
                    }
                    (Some(condition), Some(Ok(world))) => run(condition, world),
                    (Some(_), Some(Err(why))) => Outcome::Fault(why.clone()),
                    (Some(_), None) => Outcome::Fault("nothing to evaluate it on".to_owned()),
                };
                (statement, outcome)
            })
            .collect();
        if let Some(key) = key {
            self.memo
                .keep(key, evaluated.iter().map(|(_, o)| o.clone()));
        }
        evaluated
    }
}

fn run(condition: &Expression, world: &World) -> Outcome {
    match eval_expression(&world.request, &world.entities, condition) {
        Ok(EvalResult::Bool(true)) => Outcome::Matches,
        Ok(EvalResult::Bool(false)) => Outcome::ConditionNotMet,
        Ok(_) => Outcome::Fault("the condition is neither true nor false".to_owned()),
        Err(error) => Outcome::Fault(error.to_string()),
    }
}

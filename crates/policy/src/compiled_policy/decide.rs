//! From the outcomes of a slice to its answer.

use caracal_core::{Enforcement, Name};

use super::{CompiledPolicy, Outcome};
use crate::statement::Statement;
use crate::{Answer, DenyReason, Effect, Obligations, PolicyFault, Question, Rate};

/// The statements of a slice by what they do to the answer.
#[derive(Default)]
struct Votes<'p> {
    /// Permits that count without more.
    permits: Vec<&'p Statement>,
    /// Permits that count once a person approved.
    held_permits: Vec<&'p Statement>,
    /// Permits that the Gateway asks again with the request.
    possible: Vec<&'p Statement>,
    forbids: Vec<&'p Statement>,
    /// Forbids that an approval lifts.
    held_forbids: Vec<&'p Statement>,
    deferred: Vec<&'p Statement>,
    faults: Vec<&'p Statement>,
}

impl<'p> Votes<'p> {
    fn count(outcomes: &[(&'p Statement, Outcome)], enforcement: Enforcement) -> Self {
        let mut votes = Self::default();
        for (statement, outcome) in outcomes {
            let held = statement.obligation.approval.is_some();
            let side = match (outcome, statement.forbids, enforcement) {
                (Outcome::ConditionNotMet, ..) => continue,
                (Outcome::Fault(_), ..) => &mut votes.faults,
                (Outcome::Deferred, forbids, enforcement) => {
                    votes.deferred.push(statement);
                    match (forbids, enforcement) {
                        (false, Enforcement::Gateway) => &mut votes.possible,
                        // Nobody would ask the forbid again, so it counts as matching.
                        (true, Enforcement::Service) if held => &mut votes.held_forbids,
                        (true, Enforcement::Service) => &mut votes.forbids,
                        (false, Enforcement::Service) | (true, Enforcement::Gateway) => continue,
                    }
                }
                (Outcome::Matches, false, _) if held => &mut votes.held_permits,
                (Outcome::Matches, false, _) => &mut votes.permits,
                (Outcome::Matches, true, _) if held => &mut votes.held_forbids,
                (Outcome::Matches, true, _) => &mut votes.forbids,
            };
            side.push(statement);
        }
        votes
    }
}

impl CompiledPolicy {
    pub(super) fn decide(
        &self,
        question: &Question<'_>,
        outcomes: &[(&Statement, Outcome)],
    ) -> Answer {
        let votes = Votes::count(outcomes, question.enforcement);
        let decided = decide(&votes, question.approval.is_some());
        self.answer(&votes, outcomes, decided)
    }

    /// The same where nothing needs to permit.
    pub(super) fn decide_forbids(
        &self,
        question: &Question<'_>,
        outcomes: &[(&Statement, Outcome)],
    ) -> Answer {
        let votes = Votes::count(outcomes, question.enforcement);
        let decided = decide_forbids(&votes, question.approval.is_some());
        self.answer(&votes, outcomes, decided)
    }

    fn answer(
        &self,
        votes: &Votes<'_>,
        outcomes: &[(&Statement, Outcome)],
        (effect, determining, obligations): Decided<'_>,
    ) -> Answer {
        let errors = outcomes
            .iter()
            .filter_map(|(statement, outcome)| match outcome {
                Outcome::Fault(message) => {
                    let policy = self.name_of(statement)?.clone();
                    Some(PolicyFault {
                        policy,
                        message: message.clone(),
                    })
                }
                _ => None,
            })
            .collect();
        Answer {
            effect,
            determining: self.names_of(&determining),
            deferred: self.names_of(&votes.deferred),
            errors,
            obligations,
        }
    }

    /// The policies of these statements, each once and in order.
    fn names_of(&self, statements: &[&Statement]) -> Vec<Name> {
        let mut positions: Vec<usize> = statements.iter().map(|s| s.policy).collect();
        // Names are in order, so positions are.
        positions.sort_unstable();
        positions.dedup();
        positions
            .into_iter()
            .filter_map(|position| self.names.get(position))
            .cloned()
            .collect()
    }
}

/// The effect, what determined it, and what comes with it.
type Decided<'p> = (Effect, Vec<&'p Statement>, Obligations);

fn deny<'p>(reason: DenyReason, why: &[&'p Statement]) -> Decided<'p> {
    (Effect::Deny(reason), why.to_vec(), Obligations::default())
}

/// What denies, whatever permits.
fn find_denial<'p>(votes: &Votes<'p>) -> Option<Decided<'p>> {
    if !votes.faults.is_empty() {
        return Some(deny(DenyReason::Fault, &votes.faults));
    }
    if !votes.forbids.is_empty() {
        return Some(deny(DenyReason::Forbidden, &votes.forbids));
    }
    None
}

fn decide_forbids<'p>(votes: &Votes<'p>, approved: bool) -> Decided<'p> {
    if let Some(denial) = find_denial(votes) {
        return denial;
    }
    let held = votes.held_forbids.clone();
    let obligations = Obligations {
        approval: held.iter().filter_map(|s| s.obligation.approval).max(),
        ..Obligations::default()
    };
    if held.is_empty() || approved {
        (Effect::Allow, Vec::new(), obligations)
    } else {
        (Effect::Hold, held, obligations)
    }
}

fn decide<'p>(votes: &Votes<'p>, approved: bool) -> Decided<'p> {
    if let Some(denial) = find_denial(votes) {
        return denial;
    }
    let plain = !votes.permits.is_empty() || !votes.possible.is_empty();
    if !plain && votes.held_permits.is_empty() {
        return deny(DenyReason::NoPermit, &[]);
    }
    // What only an approval makes possible, and therefore who must give it.
    let mut held: Vec<&Statement> = votes.held_forbids.clone();
    if !plain {
        held.extend(&votes.held_permits);
    }
    let mut granting: Vec<&Statement> = votes.permits.clone();
    if approved || !plain {
        granting.extend(&votes.held_permits);
    }
    let obligations = Obligations {
        // A deferred permit shortens the mandate: at the call it is too late for that.
        ttl_seconds: granting
            .iter()
            .chain(&votes.possible)
            .filter_map(|s| s.obligation.ttl_seconds)
            .min(),
        rate: granting
            .iter()
            .filter_map(|s| s.obligation.rate)
            .reduce(Rate::stricter)
            .map(|r| r.to_string()),
        approval: held.iter().filter_map(|s| s.obligation.approval).max(),
    };
    if held.is_empty() || approved {
        (Effect::Allow, granting, obligations)
    } else {
        (Effect::Hold, held, obligations)
    }
}
